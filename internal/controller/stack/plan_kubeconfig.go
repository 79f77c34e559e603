package stack

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/kube"
)

// Kubeconfig is what is known of a kubeconfig that is another Stack's output. A secret output can be read for no longer
// than the Update that gave it is kept, and its Stack may go first; so the Stack keeps a copy of its own.
type Kubeconfig struct {
	// Copy is the Secret of the copy's name, nil if there is none.
	Copy *corev1.Secret
	// Giver is the other Stack, nil if there is none.
	Giver *pulumiv1.Stack
	// Outputs are the outputs of its last update in clear, nil if they are not needed or cannot be had.
	Outputs *corev1.Secret
}

const (
	// kubeconfigKey is the key of the copy.
	kubeconfigKey = "kubeconfig"
	// annotationOrigin on the copy says what it is a copy of.
	annotationOrigin = "gantry.pulumi.com/origin"
	// finalizerCopy keeps the copy. The API server takes the Stack's own finalizer for no kind of its own.
	finalizerCopy = "gantry.pulumi.com/kubeconfig"
	// masked is what a status shows of a secret output.
	masked = `"[secret]"`
	// outputsKept is for how long an Update keeps its outputs, unless a template says otherwise.
	outputsKept = 24 * time.Hour
)

// kubeconfigPlan is what to do about the copy.
type kubeconfigPlan struct {
	// keep is the copy to write, drop says that the one that is there has to go first.
	keep *corev1.Secret
	drop bool
	// touch asks the other Stack to run again.
	touch *Touch
	// err says why there is no kubeconfig to run with; nil if there is one.
	err error
}

// planKubeconfig looks at the output and at the copy of it.
func planKubeconfig(o Observed, now time.Time) kubeconfigPlan {
	of := outputOf(o.Stack)
	if of == nil || o.Kubeconfig == nil {
		return kubeconfigPlan{}
	}
	existing := o.Kubeconfig.Copy
	if existing == nil {
		return planCopy(o, of, now)
	}
	switch owner := stackOwner(existing); {
	case owner == nil || owner.Name != o.Stack.Name:
		return kubeconfigPlan{err: failure.NewTerminal(pulumiv1.ReasonSpecInvalid,
			"spec.kubeconfig: Secret %q is needed to keep the kubeconfig, but it is there already and not the Stack's own: rename it or the Stack", existing.Name)}
	case owner.UID != o.Stack.UID, !existing.DeletionTimestamp.IsZero() && !deleting(o.Stack):
		return kubeconfigPlan{drop: true, err: failure.NewWaiting(pulumiv1.ReasonStackProcessing, "waiting for the old Secret %q to be gone", existing.Name)}
	}
	return planCopy(o, of, now)
}

// planCopy compares the copy, if it is the Stack's, with what is given.
func planCopy(o Observed, of *pulumiv1.StackOutput, now time.Time) kubeconfigPlan {
	kept := o.Kubeconfig.Copy
	if kept != nil && !strings.HasPrefix(kept.Annotations[annotationOrigin], originOf(of, "")) {
		kept = nil // it is of another output, which the Stack named before
	}
	by := secretGivenBy(o.Kubeconfig.Giver, of.Output)
	current := kept != nil && kept.Annotations[annotationOrigin] == originOf(of, by)
	if current && by != "" {
		return kubeconfigPlan{}
	}
	text, err := givenKubeconfig(o, of)
	if err != nil {
		return planWithout(o, err, kept != nil, now)
	}
	if current && string(kept.Data[kubeconfigKey]) == text {
		return kubeconfigPlan{}
	}
	return kubeconfigPlan{
		keep: buildCopy(o.Stack, originOf(of, by), text),
		err:  failure.NewWaiting(pulumiv1.ReasonStackProcessing, "taking the kubeconfig from output %q of Stack %q", of.Output, of.Name),
	}
}

// planWithout is for when nothing is given, or nothing that can be used. What was given last will do where it is kept, but
// while the Stack lives not in place of what a person has to mend.
func planWithout(o Observed, err error, kept bool, now time.Time) kubeconfigPlan {
	plan := kubeconfigPlan{err: err}
	if secretGivenBy(o.Kubeconfig.Giver, outputOf(o.Stack).Output) != "" && o.Kubeconfig.Outputs == nil {
		plan.touch = againFor(o.Kubeconfig.Giver, now)
	}
	if kept && (deleting(o.Stack) || !errors.As(err, new(*failure.TerminalError))) {
		plan.err = nil
	}
	return plan
}

// givenKubeconfig is what the other Stack gives now.
func givenKubeconfig(o Observed, of *pulumiv1.StackOutput) (string, error) {
	waiting := func(problem string) error {
		return failure.NewWaiting(pulumiv1.ReasonPrerequisiteNotSatisfied, "spec.kubeconfig: output %q of Stack %q: %s", of.Output, of.Name, problem)
	}
	giver := o.Kubeconfig.Giver
	if giver == nil {
		return "", waiting("there is no such Stack in this namespace")
	}
	raw, there := giver.Status.Outputs[of.Output]
	value := raw.Raw
	switch {
	case !there && lastUpdate(giver) == nil:
		return "", waiting("that Stack has not run yet")
	case !there:
		return "", waiting("that Stack has no such output")
	case string(value) != masked:
	case secretGivenBy(giver, of.Output) == "":
		return "", waiting("it is secret, and is read after the next update of that Stack that succeeds")
	case o.Kubeconfig.Outputs == nil:
		return "", waiting("it is secret, and Secret " + autov1alpha1.OutputsSecretName(lastUpdate(giver).Name) +
			" with its value is gone; that Stack has to run again, for which it is asked once")
	default:
		value = o.Kubeconfig.Outputs.Data[of.Output]
	}
	text, err := kubeconfigText(value)
	if err != nil {
		return "", failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.kubeconfig: output %q of Stack %q is not a kubeconfig: %w", of.Output, of.Name, err)
	}
	return text, nil
}

var errNoKubeconfig = errors.New("it has to be the text of one, or an object of that form, with clusters and contexts")

// kubeconfigText is an output as the text of a kubeconfig: a string as it is, an object as JSON. Errors quote nothing.
func kubeconfigText(output []byte) (string, error) {
	var value any
	if err := json.Unmarshal(output, &value); err != nil {
		return "", errNoKubeconfig
	}
	text, isText := value.(string)
	if object, isObject := value.(map[string]any); isObject {
		written, err := json.Marshal(object)
		if err != nil {
			return "", errNoKubeconfig
		}
		text = string(written)
	} else if !isText {
		return "", errNoKubeconfig
	}
	config, err := clientcmd.Load([]byte(text))
	if err != nil || len(config.Clusters) == 0 || len(config.Contexts) == 0 {
		return "", errNoKubeconfig
	}
	return text, nil
}

// outputOf names the output that a Stack takes its kubeconfig from, nil if it takes none.
func outputOf(stack *pulumiv1.Stack) *pulumiv1.StackOutput {
	if k := stack.Spec.Kubeconfig; k != nil && k.Type == pulumiv1.KubeconfigStackOutput {
		return k.StackRef
	}
	return nil
}

// originOf says what a copy is a copy of. The update belongs to it where the value shows nowhere else.
func originOf(of *pulumiv1.StackOutput, update string) string {
	return of.Name + "/" + of.Output + "@" + update
}

// secretGivenBy is the update that gave a secret output last, "" if the output is not secret or that is not known.
func secretGivenBy(giver *pulumiv1.Stack, output string) string {
	if giver == nil || string(giver.Status.Outputs[output].Raw) != masked {
		return ""
	}
	last := lastUpdate(giver)
	if last == nil || last.State != pulumiv1.SucceededStackState || last.Type != autov1alpha1.UpUpdate {
		return ""
	}
	return last.Name
}

// againFor asks a Stack to run again, as an outdated prerequisite is asked; not while it is asked already, and not if it
// was and its outputs did not last.
func againFor(giver *pulumiv1.Stack, now time.Time) *Touch {
	last := lastUpdate(giver)
	inVain := strings.HasPrefix(last.ReconcileRequest, askedAfter) && now.Sub(last.LastResyncTime.Time) < outputsKept
	if deleting(giver) || last.ReconcileRequest != request(giver) || inVain {
		return nil
	}
	return &Touch{Stack: giver, Request: askedAfter + last.Name}
}

// stackOwner is the Stack that owns an object, nil if none does.
func stackOwner(object metav1.Object) *metav1.OwnerReference {
	for _, ref := range object.GetOwnerReferences() {
		if ref.Kind == kindStack && strings.HasPrefix(ref.APIVersion, pulumiv1.GroupVersion.Group+"/") {
			return &ref
		}
	}
	return nil
}

// kubeconfigInvalid: what another Stack gives is no kubeconfig, or there is no place to keep it.
func kubeconfigInvalid(o Observed, now time.Time) *Step {
	if terminal, ok := failure.AsTerminal(planKubeconfig(o, now).err); ok {
		return &Step{State: conditions.Stalled(terminal.Reason, terminal.Error())}
	}
	return nil
}

// kubeconfigMissing: another Stack has to give the kubeconfig first.
func kubeconfigMissing(o Observed, now time.Time) *Step {
	if waiting, ok := failure.AsWaiting(planKubeconfig(o, now).err); ok {
		return &Step{State: conditions.Reconciling(waiting.Reason, waiting.Error())}
	}
	return nil
}

// withKubeconfig adds what is to be done about the copy, whatever else is done.
func withKubeconfig(step Step, o Observed, now time.Time) Step {
	if step.Act == Release {
		return step
	}
	plan := planKubeconfig(o, now)
	step.Keep, step.Drop = plan.keep, plan.drop
	if plan.touch != nil {
		step.Touch = append(step.Touch, *plan.touch)
	}
	if plan.keep != nil || plan.drop {
		step.After = kube.ConflictRetry
	}
	return step
}

// buildCopy makes the copy. Its finalizer keeps it, and with it the way to destroy, when the Stack's children are deleted
// before the Stack, which must not wait for it then.
func buildCopy(stack *pulumiv1.Stack, origin, text string) *corev1.Secret {
	owner := ownerReference(stack, false)
	owner.BlockOwnerDeletion = new(false)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: stack.Namespace, Name: pulumiv1.KubeconfigSecretName(stack.Name), Labels: childLabels(stack),
			Annotations: map[string]string{annotationOrigin: origin}, Finalizers: []string{finalizerCopy},
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Data: map[string][]byte{kubeconfigKey: []byte(text)},
	}
}
