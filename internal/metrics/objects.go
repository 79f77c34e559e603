package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Names of what is told of objects. They and their labels are PKO's.
const (
	NameStacksActive      = "stacks_active"
	NameStacksFailing     = "stacks_failing"
	NameStacksReconciling = "stacks_reconciling"
	NameProgramsActive    = "programs_active"
	NameResourceCreated   = "resource_created_at_seconds"
)

// Objects tells of the Stacks and Programs that there are. It reads them when it is asked, so that it is right as soon as
// the cache is, has no state that could be wrong, and costs nothing while nobody asks. An object that is gone is gone
// from the metrics too.
type Objects struct {
	read                                         func(client.ObjectList) error
	active, failing, reconciling, programs, born *prometheus.Desc
}

// NewObjects makes an Objects. read fills a list from the cache; its items are neither changed nor kept.
func NewObjects(read func(client.ObjectList) error) *Objects {
	stack := []string{"namespace", "name"}
	desc := func(name, help string, labels []string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Objects{
		read:        read,
		active:      desc(NameStacksActive, "Number of Stacks.", nil),
		failing:     desc(NameStacksFailing, "1 if the Stack's last update failed, else 0.", stack),
		reconciling: desc(NameStacksReconciling, "1 if the Stack is Reconciling, else 0.", stack),
		programs:    desc(NameProgramsActive, "Number of Programs.", nil),
		born: desc(NameResourceCreated, "When the object was created, in seconds since 1970.",
			[]string{"name", "namespace", "group", "version", "kind"}),
	}
}

// Describe tells what there may be.
func (o *Objects) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{o.active, o.failing, o.reconciling, o.programs, o.born} {
		ch <- desc
	}
}

// Collect tells what there is.
func (o *Objects) Collect(ch chan<- prometheus.Metric) {
	var stacks pulumiv1.StackList
	var programs pulumiv1.ProgramList
	if err := o.read(&stacks); err != nil {
		ch <- prometheus.NewInvalidMetric(o.active, err)
		return
	}
	if err := o.read(&programs); err != nil {
		ch <- prometheus.NewInvalidMetric(o.programs, err)
		return
	}
	ch <- gauge(o.active, float64(len(stacks.Items)))
	ch <- gauge(o.programs, float64(len(programs.Items)))
	for i := range stacks.Items {
		stack := &stacks.Items[i]
		last := stack.Status.LastUpdate
		ch <- gauge(o.failing, truth(last != nil && last.State == pulumiv1.FailedStackState), stack.Namespace, stack.Name)
		ch <- gauge(o.reconciling, truth(meta.IsStatusConditionTrue(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)), stack.Namespace, stack.Name)
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

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
