package operator

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
)

// lookOn watches every object of ours until the test ends. None may ever have a status that misleads a tool, whichever
// manager was killed when.
func (c *cluster) lookOn() {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var watchers sync.WaitGroup
	seen := make([]int, 4)
	for i, list := range []client.ObjectList{&pulumiv1.StackList{}, &pulumiv1.ProgramList{}, &autov1alpha1.WorkspaceList{}, &autov1alpha1.UpdateList{}} {
		events, err := c.Watch(ctx, list)
		if err != nil {
			c.t.Fatal(err)
		}
		watchers.Go(func() {
			for event := range events.ResultChan() {
				object, ok := event.Object.(client.Object)
				if !ok || event.Type == watch.Bookmark {
					continue
				}
				seen[i]++
				for _, problem := range conditionstest.Problems(object) {
					c.t.Error(problem)
				}
			}
		})
		c.t.Cleanup(events.Stop)
	}
	c.t.Cleanup(func() {
		stop()
		watchers.Wait()
		for i, count := range seen {
			if count < 2 && !c.t.Failed() {
				c.t.Errorf("objects of kind %d were seen %d times only", i, count)
			}
		}
	})
}
