package program

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/program"
)

// Reasons of a Program's conditions.
const (
	// ReasonSucceeded with Ready=True: the artifact holds the program as it is.
	ReasonSucceeded = "Succeeded"
	// ReasonProgramInvalid with Stalled=True: the object holds no program.
	ReasonProgramInvalid = "ProgramInvalid"
	// ReasonStorageFailed with Reconciling=True: the store did not take the archive; it is tried again.
	ReasonStorageFailed = "StorageFailed"
)

// artifact is an archive in the store.
type artifact struct {
	source.Revision
	url  string
	size int64
}

// statusOf is the Program's status after an archive was made, or was not. If it was not, the last good artifact stays:
// its revision says which generation it is.
func statusOf(object *pulumiv1.Program, made artifact, failed error, now time.Time) pulumiv1.ProgramStatus {
	status := pulumiv1.ProgramStatus{ObservedGeneration: object.Generation, Artifact: object.Status.Artifact}
	if failed == nil {
		status.Artifact = artifactOf(object, made, now)
	}
	want := stateOf(made, failed).Conditions(object.Generation)
	status.Conditions = conditions.Merge(object.Status.Conditions, want, metav1.NewTime(now))
	return status
}

// stateOf is the shape of the conditions.
func stateOf(made artifact, failed error) conditions.State {
	var invalid *program.InvalidError
	switch {
	case failed == nil:
		return conditions.Ready(ReasonSucceeded, "stored the program as revision "+made.Revision.Revision)
	case errors.As(failed, &invalid):
		return conditions.Stalled(ReasonProgramInvalid, invalid.Problem)
	default:
		return conditions.Reconciling(ReasonStorageFailed, failed.Error()+"; it is tried again")
	}
}

// artifactOf is the artifact's record. It is dated anew only when something about it is new, so that a manager that
// starts rewrites nothing.
func artifactOf(object *pulumiv1.Program, made artifact, now time.Time) *pulumiv1.Artifact {
	record := &pulumiv1.Artifact{
		Path:           fmt.Sprintf("programs/%s/%s/%s.tar.gz", object.Namespace, object.Name, made.Revision.Revision),
		URL:            made.url,
		Revision:       made.Revision.Revision,
		Digest:         made.Digest,
		LastUpdateTime: metav1.NewTime(now).Rfc3339Copy(),
		Size:           &made.size,
	}
	was := object.Status.Artifact
	if was != nil && was.URL == record.URL && was.Revision == record.Revision && was.Digest == record.Digest {
		record.LastUpdateTime = was.LastUpdateTime
	}
	return record
}
