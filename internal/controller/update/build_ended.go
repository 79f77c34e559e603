package update

import (
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// maxEnded is how many operations before this one an agent is told of. Only the last one that a backend knows of can
// be in the way.
const maxEnded = 3

// endedOf are the last operations of the Workspace on the same stack that a backend gave a link, and that were given to
// a pod by this operator: what they started is dead, since they have their result or their pod is gone.
func endedOf(o Observed) []*operation.Ended {
	same := slices.DeleteFunc(slices.Clone(o.Ended), func(update autov1alpha1.Update) bool {
		return update.Spec.StackName != o.Update.Spec.StackName || update.Status.Permalink == "" || !isStarted(&update)
	})
	slices.SortFunc(same, func(a, b autov1alpha1.Update) int {
		return secondsOf(b.Status.EndTime).Compare(secondsOf(a.Status.EndTime).Time)
	})
	var ended []*operation.Ended
	for _, update := range same[:min(len(same), maxEnded)] {
		ended = append(ended, &operation.Ended{
			Name: update.Name, Permalink: update.Status.Permalink,
			Started: timestamppb.New(secondsOf(update.Status.StartTime).Time), Ended: timestamppb.New(secondsOf(update.Status.EndTime).Time),
		})
	}
	return ended
}

// secondsOf is a time that may not be on record.
func secondsOf(at *metav1.Time) metav1.Time {
	if at == nil {
		return metav1.Time{}
	}
	return *at
}
