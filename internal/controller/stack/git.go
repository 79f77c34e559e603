package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/schedule"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/internal/source/git/auth"
	gitclient "github.com/gantry-operator/gantry/internal/source/git/client"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Git follows repositories.
type Git interface {
	// Notify sets who is told which Stacks to look at again, since the answer of Observe changed.
	Notify(kind string, wake func(name types.NamespacedName))
	// Observe makes the request what the consumer follows, and answers the revision as far as it is known. It waits for
	// nobody: a *failure.WaitingError says that there is none yet, a *git.StaleError that it may not be the newest, and a
	// *failure.TerminalError that there will be none before somebody acts.
	Observe(consumer source.Consumer, request git.Request) (source.Revision, error)
	// Forget ends what the consumer follows.
	Forget(consumer source.Consumer)
}

// consumer is the Stack as one that follows a source.
func consumer(name types.NamespacedName) source.Consumer {
	return source.Consumer{Kind: kindStack, NamespacedName: name}
}

// resolveGit asks for the commit and the archive of it.
func (r *Reconciler) resolveGit(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	spec := &stack.Spec.GitSource
	resolved := Source{Origin: gitOrigin(spec), Selected: len(spec.RepoPaths) > 0}
	wanted, err := r.gitRequest(ctx, stack)
	if err != nil {
		r.Git.Forget(consumer(client.ObjectKeyFromObject(stack)))
		return resolved, err
	}
	revision, err := r.Git.Observe(consumer(client.ObjectKeyFromObject(stack)), wanted)
	if err != nil && !errors.As(err, new(*git.StaleError)) {
		return resolved, err
	}
	resolved.Revision = revision.Revision
	if resolved.Selected {
		resolved.Content = revision.Content
	}
	resolved.Artifact = &autov1alpha1.FluxSource{Digest: revision.Digest, URL: r.ArtifactURL(revision.Digest), Dir: spec.RepoDir}
	return resolved, err
}

// gitRequest is what a Stack asks for, with the credential as it is now.
func (r *Reconciler) gitRequest(ctx context.Context, stack *pulumiv1.Stack) (git.Request, error) {
	spec := &stack.Spec.GitSource
	var p validate.Problems // a Stack that goes was not asked for this before
	if checkGit(&p, stack.Namespace, spec); len(p) > 0 {
		return git.Request{}, failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%s", p)
	}
	url, err := gitclient.ParseURL(spec.ProjectRepo)
	if err != nil {
		return git.Request{}, err
	}
	wanted := git.Request{
		Remote:    gitclient.Remote{URL: spec.ProjectRepo},
		Selection: git.Select(spec.RepoDir, spec.RepoPaths, spec.RecurseSubmodules),
		Every:     max(minResync, schedule.Seconds(stack.Spec.ResyncFrequencySeconds)),
	}
	wanted.At(spec.Commit + spec.Branch) // one of them is given, and either may be an id
	if record, revision := lastSource(stack); record != nil && record.Origin == gitOrigin(spec) {
		wanted.Last = source.Revision{Revision: revision, Digest: record.Digest, Content: record.Content}
	}
	if lastUpdate(stack) == nil || asked(stack) != "" {
		wanted.Token = requests(stack)
	}
	reasons := auth.Reasons{Missing: pulumiv1.ReasonSourceUnavailable, Invalid: pulumiv1.ReasonSpecInvalid}
	wanted.Remote.Credential, err = auth.OfStack(spec).Read(ctx, url.SSH(), reasons, auth.Of(r.Reader, stack.Namespace))
	return wanted, err
}

// gitOrigin stands for what the spec says of the source, but for who may read it.
func gitOrigin(spec *pulumiv1.GitSource) string {
	selection := git.Select(spec.RepoDir, spec.RepoPaths, spec.RecurseSubmodules)
	text := fmt.Sprintf("git\n%s\n%s\n%s\n%s\n%s\n%t", spec.ProjectRepo, spec.Commit, spec.Branch, spec.RepoDir,
		strings.Join(selection.Paths, "\x00"), selection.Submodules)
	sum := sha256.Sum256([]byte(text))
	return "git:" + hex.EncodeToString(sum[:8])
}
