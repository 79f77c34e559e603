package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

const (
	// pulumiContainer is the container of a stack's pod that Pulumi runs in.
	pulumiContainer = "pulumi"
	// quiet is how long a log is silent at the end of an operation until all of it is taken to have come.
	quiet = 500 * time.Millisecond
)

func (a *app) logsCommand() *cobra.Command {
	follows, w := false, &waiting{}
	command := &cobra.Command{
		Use:               "logs STACK",
		Short:             "Show what the operation of a stack prints; with -f until it ends",
		Long:              "Show what Pulumi and the program print in the stack's pod, from the beginning of the operation under way or of the last one.\n\nPulumi masks secrets in it. A stack that has nothing to do has no pod, and no log: with -f the next operation is waited for.",
		Args:              exactly("the name of a Stack"),
		ValidArgsFunction: a.completeStack,
		RunE: func(command *cobra.Command, args []string) error {
			return a.logs(command.Context(), args[0], follows, w)
		},
	}
	command.Flags().BoolVarP(&follows, "follow", "f", false, "follow the operation until it ends, or wait for the next one")
	command.Flags().DurationVar(&w.timeout, "timeout", 0, "how long to follow; 0 is for ever")
	return command
}

func (a *app) logs(ctx context.Context, name string, follows bool, w *waiting) error {
	session, stack, err := a.stackNamed(ctx, name)
	if err != nil {
		return err
	}
	updates, err := session.updatesOf(ctx, stack)
	if err != nil {
		return err
	}
	update := liveOrLast(updates)
	if !follows {
		return a.pastLog(ctx, session, stack, update)
	}
	p := a.progress()
	return a.awaitUpdate(ctx, session, p, w, func(ctx context.Context) (*autov1alpha1.Update, error) {
		if update != nil && !complete(update) {
			return update, nil
		}
		p.say("no operation is under way: waiting for the next one")
		return session.nextUpdate(ctx, stack)
	})
}

// updatesOf are the Updates of a Stack, the newest first, whoever made them.
func (s *session) updatesOf(ctx context.Context, stack *pulumiv1.Stack) ([]autov1alpha1.Update, error) {
	list := &autov1alpha1.UpdateList{}
	if err := s.List(ctx, list, client.InNamespace(stack.Namespace)); err != nil {
		return nil, explained(err)
	}
	return newestFirst(list.Items, pulumiv1.WorkspaceName(stack.Name)), nil
}

// newestFirst are the Updates of a Workspace, the newest first.
func newestFirst(updates []autov1alpha1.Update, workspace string) []autov1alpha1.Update {
	updates = slices.DeleteFunc(updates, func(u autov1alpha1.Update) bool { return u.Spec.WorkspaceName != workspace })
	slices.SortStableFunc(updates, func(a, b autov1alpha1.Update) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	return updates
}

// liveOrLast is the Update that runs, or else the oldest that waits, or else the one that ended last; nil for none.
func liveOrLast(updates []autov1alpha1.Update) *autov1alpha1.Update {
	var waits *autov1alpha1.Update
	for i := range updates {
		switch u := &updates[i]; {
		case complete(u):
		case u.Status.PodUID != "":
			return u
		default:
			waits = u
		}
	}
	if waits != nil || len(updates) == 0 {
		return waits
	}
	return &updates[0]
}

// nextUpdate waits for a Stack to have an Update under way.
func (s *session) nextUpdate(ctx context.Context, stack *pulumiv1.Stack) (*autov1alpha1.Update, error) {
	var found *autov1alpha1.Update
	err := follow(ctx, s, stack, &pulumiv1.StackList{}, func(stack *pulumiv1.Stack) (bool, error) {
		current := stack.Status.CurrentUpdate
		if current == nil {
			return false, nil
		}
		update := &autov1alpha1.Update{}
		err := s.Get(ctx, client.ObjectKey{Namespace: firstOf(current.Namespace, stack.Namespace), Name: current.Name}, update)
		if apierrors.IsNotFound(err) {
			return false, nil // it is on record before it is made; the next look finds it
		}
		found = update
		return err == nil, err
	})
	return found, err
}

// pastLog shows the log of the operation that runs or ran, as far as there is a pod.
func (a *app) pastLog(ctx context.Context, s *session, stack *pulumiv1.Stack, update *autov1alpha1.Update) error {
	options := &corev1.PodLogOptions{Container: pulumiContainer}
	if update != nil {
		options.SinceTime = update.Status.StartTime
	}
	pod := autov1alpha1.PodName(pulumiv1.WorkspaceName(stack.Name))
	log, err := s.kube.CoreV1().Pods(stack.Namespace).GetLogs(pod, options).Stream(ctx)
	if apierrors.IsNotFound(err) {
		last := "it has not run yet"
		if update != nil {
			last = fmt.Sprintf("%s %s: %s", update.Spec.Type, update.Name, stated(updateState(update)))
		}
		return fmt.Errorf("the Stack %s has no pod now, and the log went with the last one (%s); logs -f waits for the next operation", stack.Name, last)
	}
	if err != nil {
		return explained(err)
	}
	defer log.Close()
	_, err = io.Copy(a.Streams.Out, log)
	return err
}

// stream shows the log of an Update until that is complete, and answers it.
func (a *app) stream(ctx context.Context, s *session, update *autov1alpha1.Update, p *progress) (*autov1alpha1.Update, error) {
	var log *livelog
	var ended *autov1alpha1.Update
	err := follow(ctx, s, update, &autov1alpha1.UpdateList{}, func(current *autov1alpha1.Update) (bool, error) {
		if current.Status.PodUID != "" && current.Status.StartTime != nil && log == nil {
			p.clear()
			log = openLog(ctx, s, current, a.Streams.Out)
		}
		if complete(current) {
			ended = current
			return true, nil
		}
		if log == nil || log.silent() {
			p.say(fmt.Sprintf("%s %s: %s", current.Spec.Type, current.Name, firstOf(updateState(current).Message, "waiting to start")))
		}
		return false, nil
	})
	if log != nil {
		p.clear()
		log.end(err == nil)
		if err == nil && log.err != nil && log.lines == 0 {
			p.begun("its log cannot be shown: " + explained(log.err).Error())
		}
	}
	return ended, err
}

// livelog is the log of an operation that runs.
type livelog struct {
	cancel context.CancelFunc
	line   chan struct{}
	done   chan struct{}
	lines  int
	err    error
}

// openLog copies the log of an operation to out while it is written.
func openLog(ctx context.Context, s *session, update *autov1alpha1.Update, out io.Writer) *livelog {
	ctx, cancel := context.WithCancel(ctx)
	l := &livelog{cancel: cancel, line: make(chan struct{}, 1), done: make(chan struct{})}
	options := &corev1.PodLogOptions{Container: pulumiContainer, Follow: true, SinceTime: &metav1.Time{Time: update.Status.StartTime.Time}}
	request := s.kube.CoreV1().Pods(update.Namespace).GetLogs(autov1alpha1.PodName(update.Spec.WorkspaceName), options)
	go func() {
		defer close(l.done)
		if err := l.copy(ctx, request.Stream, out); err != nil && !errors.Is(err, context.Canceled) {
			l.err = err
		}
	}()
	return l
}

// copy copies whole lines.
func (l *livelog) copy(ctx context.Context, open func(context.Context) (io.ReadCloser, error), out io.Writer) error {
	log, err := open(ctx)
	for apierrors.IsBadRequest(err) { // the node has not told yet that the container runs
		timer := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		log, err = open(ctx)
	}
	if err != nil {
		return err
	}
	defer log.Close()
	for reader := bufio.NewReader(log); ; {
		line, err := reader.ReadString('\n')
		if line != "" {
			l.lines++
			if _, err := io.WriteString(out, line); err != nil {
				return err
			}
			select {
			case l.line <- struct{}{}:
			default:
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// silent tells that the log has ended, or could not be had.
func (l *livelog) silent() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// end ends the copy: where all of it is wanted, when nothing more comes.
func (l *livelog) end(all bool) {
	for all {
		timer := time.NewTimer(quiet)
		select {
		case <-l.line:
		case <-l.done:
			all = false
		case <-timer.C:
			all = false
		}
		timer.Stop()
	}
	l.cancel()
	<-l.done
}
