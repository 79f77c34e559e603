package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// verdict is what came of looking at one thing.
type verdict struct {
	// Subject is what was looked at; State is ok, warning or failed.
	Subject string `json:"subject"`
	State   string `json:"state"`
	// Found says what was found, Advice what to do.
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailed  = "failed"
)

// examination is what the checks of doctor find out one from the other.
type examination struct {
	*session
	app *app
	// installed and account are the namespace and the ServiceAccount of the manager, empty where it was not found.
	installed, account string
	// running is the manager's version, defined those of the kinds by their names; what does not tell its version has none.
	running  string
	defined  map[string]string
	verdicts []verdict
}

func (a *app) doctorCommand() *cobra.Command {
	output, namespace := "", ""
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether Gantry is well in this cluster, and say what to do where it is not",
		Long: "Look whether Gantry is well in this cluster: its kinds, manager, lease, hub and certificate, whether versions fit,\n" +
			"what the manager and you may do, PKO beside it, and the stacks. What you may not see is told as a warning. It exits with 1\n" +
			"if something failed.",
		Args: exactly(),
		RunE: func(command *cobra.Command, _ []string) error { return a.doctor(command.Context(), namespace, output) },
	}
	command.Flags().StringVar(&namespace, "manager-namespace", "", "the namespace of the manager; it is looked for if it is not named")
	addOutput(command, &output, "json or yaml")
	return command
}

func (a *app) doctor(ctx context.Context, namespace, output string) error {
	session, err := a.connect()
	if err != nil {
		return err
	}
	e := &examination{session: session, app: a, installed: namespace, defined: map[string]string{}}
	for _, look := range []func(context.Context) error{
		e.kinds, e.manager, e.versions, e.lease, e.hub, e.certificate, e.managersRights, e.callersRights, e.stacks,
	} {
		if err := look(ctx); err != nil {
			return explained(err)
		}
	}
	if output != "" {
		if err := a.structured(output, e.verdicts); err != nil {
			return err
		}
	} else {
		a.tellVerdicts(e.verdicts)
	}
	for _, v := range e.verdicts {
		if v.State == stateFailed {
			return ErrSaid
		}
	}
	return nil
}

func (a *app) tellVerdicts(verdicts []verdict) {
	marks := map[string]struct {
		mark string
		tone tone
	}{stateOK: {"✔", good}, stateWarning: {"!", busy}, stateFailed: {"✗", bad}}
	for _, v := range verdicts {
		m := marks[v.State]
		mark := m.mark
		if a.Colour && a.Width > 0 {
			mark = painted(mark, m.tone)
		}
		fmt.Fprintf(a.Streams.Out, "%s %s: %s\n", mark, v.Subject, shown(v.Found))
		if v.Advice != "" {
			fmt.Fprintf(a.Streams.Out, "    %s\n", shown(v.Advice))
		}
	}
}

func (e *examination) add(state, subject, found, advice string) {
	e.verdicts = append(e.verdicts, verdict{subject, state, found, advice})
}

// unseen notes what the caller may not see, and answers any other error.
func (e *examination) unseen(subject string, err error) error {
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		e.add(stateWarning, subject, "cannot be told: "+err.Error(), "ask somebody who may see it")
		return nil
	}
	return err
}
