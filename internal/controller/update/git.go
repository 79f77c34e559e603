package update

import (
	"cmp"
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/internal/source/git/auth"
	"github.com/gantry-operator/gantry/internal/source/git/client"
	"github.com/gantry-operator/gantry/internal/validate"
)

const (
	// consumerKind is what Updates are called among those that follow a source.
	consumerKind = "Update"
	// defaultRef is what a Workspace without a ref runs: the head of the default branch.
	defaultRef = "HEAD"
	// gitPoll is how often a repository is polled while an Update waits for a pod.
	gitPoll = time.Minute
)

// Git follows repositories.
type Git interface {
	// Notify sets who is told which Updates to look at again, since the answer of Observe changed.
	Notify(kind string, wake func(name types.NamespacedName))
	// Observe makes the request what the consumer follows, and answers the revision as far as it is known, without
	// waiting.
	Observe(consumer source.Consumer, request git.Request) (source.Revision, error)
	// Forget ends what the consumer follows.
	Forget(consumer source.Consumer)
}

// Source is what a Workspace's own git repository resolved to.
type Source struct {
	Revision source.Revision
	// Err says why there is none, if it is not nil.
	Err error
}

func consumer(name types.NamespacedName) source.Consumer {
	return source.Consumer{Kind: consumerKind, NamespacedName: name}
}

// observeSource asks for the commit that the Workspace names, if it has a git repository of its own. The commit is the
// newest one when the Update starts.
func (r *Reconciler) observeSource(ctx context.Context, o *Observed) error {
	name := types.NamespacedName{Namespace: o.Update.Namespace, Name: o.Update.Name}
	if !o.wantsCommit() {
		r.Git.Forget(consumer(name)) // nothing is to be fetched for it, or nothing more
		return nil
	}
	request, err := r.gitRequest(ctx, o)
	if err == nil {
		o.Source.Revision, err = r.Git.Observe(consumer(name), request)
	}
	stale := &git.StaleError{}
	switch {
	case errors.As(err, &stale) && !stale.Pending: // the host is away, and the last commit that is known will do
	case errors.As(err, new(*failure.WaitingError)), errors.As(err, new(*failure.TerminalError)), stale.Pending:
		o.Source.Err = err
	default:
		return err
	}
	return nil
}

// wantsCommit tells that the Update's operation has yet to be given a commit of the Workspace's own repository.
func (o Observed) wantsCommit() bool {
	given := isStarted(o.Update) && (o.State.Progress != nil || !o.attached())
	over := given || isComplete(o.Update) || isDeleting(o.Update)
	return !over && o.Workspace != nil && o.Workspace.Spec.Git != nil && o.Workspace.Spec.Unreadable == ""
}

// gitRequest is what a Workspace asks for, with the credential as it is now.
func (r *Reconciler) gitRequest(ctx context.Context, o *Observed) (git.Request, error) {
	spec := o.Workspace.Spec.Git
	var p validate.Problems
	if p.Git("the Workspace's spec.git", spec); len(p) > 0 {
		return git.Request{}, failure.NewTerminal(ReasonWorkspaceInvalid, "%s", p)
	}
	url, err := client.ParseURL(spec.URL)
	if err != nil {
		return git.Request{}, err
	}
	// The token has the newest commit looked for once for each Update.
	wanted := git.Request{Remote: client.Remote{URL: spec.URL}, Every: gitPoll, Token: string(o.Update.UID)}
	wanted.Selection = git.Select(spec.Dir, spec.Paths, spec.RecurseSubmodules)
	wanted.At(cmp.Or(spec.Ref, defaultRef))
	reasons := auth.Reasons{Missing: ReasonSourceUnavailable, Invalid: ReasonWorkspaceInvalid}
	wanted.Remote.Credential, err = auth.OfWorkspace(spec.Auth).Read(ctx, url.SSH(), reasons, auth.Of(r.Reader, o.Workspace.Namespace))
	return wanted, err
}

// sourceMissing: the Workspace's own repository has not said what to run.
func sourceMissing(o Observed, _ time.Time) (Step, bool) {
	if o.Source.Err == nil {
		return Step{}, false
	}
	if terminal, ok := failure.AsTerminal(o.Source.Err); ok {
		return Step{Act: Wait, Stalled: true, Reason: terminal.Reason, Message: terminal.Error(), After: lookAgain}, true
	}
	// Whatever it waits for tells by itself, but for a Secret that is missing.
	return Step{Act: Wait, Reason: ReasonSourceUnavailable, Message: o.Source.Err.Error(), After: lookAgain}, true
}

// gitArtifact is the archive of the commit.
func gitArtifact(o Observed) autov1alpha1.FluxSource {
	return autov1alpha1.FluxSource{Digest: o.Source.Revision.Digest, Dir: o.Workspace.Spec.Git.Dir}
}
