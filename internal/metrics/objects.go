package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Names of what is told of each object. They and their labels are PKO's, but for the last two.
const (
	NameStacksFailing     = "stacks_failing"
	NameStacksReconciling = "stacks_reconciling"
	NameResourceCreated   = "resource_created_at_seconds"
	NameStackStalled      = "gantry_stack_stalled"
	NameStackSuccess      = "gantry_stack_last_success_timestamp_seconds"
)

// Objects tells of each Stack and each Program that there is. It reads them when it is asked, so that it is right as soon
// as the cache is, has no state that could be wrong, and costs nothing while nobody asks. An object that is gone is gone
// from the metrics too. It has as many series as there are objects, five for each Stack: Fleet tells of them together.
type Objects struct {
	read                                         Read
	failing, reconciling, stalled, success, born *prometheus.Desc
}

// Read fills a list from the cache; its items are neither changed nor kept.
type Read func(client.ObjectList) error

// NewObjects makes an Objects.
func NewObjects(read Read) *Objects {
	stack := []string{labelNamespace, labelName}
	return &Objects{
		read:        read,
		failing:     describe(NameStacksFailing, "1 if the Stack's last update failed, else 0.", stack...),
		reconciling: describe(NameStacksReconciling, "1 if the Stack is Reconciling, else 0.", stack...),
		stalled:     describe(NameStackStalled, "1 if the Stack is Stalled, else 0.", stack...),
		success:     describe(NameStackSuccess, "When the Stack's last success was recorded, in seconds since 1970.", stack...),
		born: describe(NameResourceCreated, "When the object was created, in seconds since 1970.",
			labelName, labelNamespace, "group", "version", "kind"),
	}
}

// Describe tells what there may be.
func (o *Objects) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{o.failing, o.reconciling, o.stalled, o.success, o.born} {
		ch <- desc
	}
}

// Collect tells what there is.
func (o *Objects) Collect(ch chan<- prometheus.Metric) {
	var stacks pulumiv1.StackList
	var programs pulumiv1.ProgramList
	if err := o.read(&stacks); err != nil {
		ch <- prometheus.NewInvalidMetric(o.failing, err)
		return
	}
	if err := o.read(&programs); err != nil {
		ch <- prometheus.NewInvalidMetric(o.born, err)
		return
	}
	for i := range stacks.Items {
		stack := &stacks.Items[i]
		ch <- gauge(o.failing, truth(failing(stack)), stack.Namespace, stack.Name)
		ch <- gauge(o.reconciling, truth(is(stack, autov1alpha1.ConditionTypeReconciling)), stack.Namespace, stack.Name)
		ch <- gauge(o.stalled, truth(is(stack, autov1alpha1.ConditionTypeStalled)), stack.Namespace, stack.Name)
		if at := stack.Status.LastUpdate.Succeeded(); !at.IsZero() {
			ch <- gauge(o.success, float64(at.Unix()), stack.Namespace, stack.Name)
		}
		ch <- o.created(stack, pulumiv1.GroupVersion.WithKind("Stack"))
	}
	for i := range programs.Items {
		ch <- o.created(&programs.Items[i], pulumiv1.GroupVersion.WithKind("Program"))
	}
}

func (o *Objects) created(object client.Object, kind schema.GroupVersionKind) prometheus.Metric {
	return gauge(o.born, float64(object.GetCreationTimestamp().Unix()),
		object.GetName(), object.GetNamespace(), kind.Group, kind.Version, kind.Kind)
}

// failing tells whether the Stack's last update failed, unless a person has suspended it.
func failing(stack *pulumiv1.Stack) bool {
	return !stack.Spec.Suspend && stack.Status.LastUpdate != nil && stack.Status.LastUpdate.State == pulumiv1.FailedStackState
}

// is tells whether a condition of the Stack is True.
func is(stack *pulumiv1.Stack, condition string) bool {
	return meta.IsStatusConditionTrue(stack.Status.Conditions, condition)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
