package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

const (
	// pollInterval is the shortest that there is, and what the Stacks ask for; pollIntervals are how many are counted.
	pollInterval  = time.Minute
	pollIntervals = 2
	// gitLimit is how long all Stacks may take to know their commit.
	gitLimit = 5 * time.Minute
)

// gitStack is of a repository, whose host is trusted by the authority in a Secret.
const gitStack = `
spec:
  programRef: null
  projectRepo: %s
  branch: main
  resyncFrequencySeconds: 60
  gitAuth: {caBundle: {type: Secret, secret: {name: git-host, key: ca.crt}}}
`

// held keeps a Stack from running: it never gets a pod.
const held = `{metadata: {labels: {bench: follower}}, spec: {prerequisites: [{name: never}]}}`

// startGit starts a git host in the cluster that Stacks can trust.
func (b *bench) startGit(ctx context.Context) (err error) {
	if b.git, err = b.StartGitHost(ctx, "git-host"); err != nil {
		return err
	}
	trust := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Name, Name: "git-host"}, StringData: map[string]string{"ca.crt": b.git.CA},
	}
	if err := b.Client.Create(ctx, trust); err != nil {
		return fmt.Errorf("keeping the git host's authority: %w", err)
	}
	return nil
}

// push makes a repository of the one program.
func (b *bench) push(repository string) error {
	if err := b.git.Create(repository); err != nil {
		return err
	}
	_, err := b.git.Commit(repository, "main", gitserver.Files{"Pulumi.yaml": gitserver.Text("name: " + repository + "\nruntime: yaml\n" + program)})
	return err
}

// coldGit applies a Stack of a repository that was never fetched, and returns the seconds until it is seen Ready.
func (b *bench) coldGit(ctx context.Context, name string) (float64, error) {
	if err := b.push(name); err != nil {
		return 0, err
	}
	began := time.Now()
	stack, err := b.CreateStack(ctx, name, "none", small, fmt.Sprintf(gitStack, b.git.URLOf(name)))
	if err != nil {
		return 0, err
	}
	err = b.untilDone(ctx, stack, func() bool { return stage.Ready(stack) })
	return time.Since(began).Seconds(), err
}

// pair takes cold runs from git and from a Program in turn, each going first as often as the other.
func (b *bench) pair(ctx context.Context) error {
	for i := range b.options.pairs {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		runs := []struct {
			name  string
			run   func(context.Context, string) (float64, error)
			times *[]float64
		}{{"beside", b.cold, &b.raw.BesideGit}, {"from-git", b.coldGit, &b.raw.ColdGit}}
		if i%2 == 1 {
			slices.Reverse(runs)
		}
		for _, r := range runs {
			name := fmt.Sprintf("%s-%d", r.name, i)
			took, err := r.run(ctx, name)
			if err != nil {
				return fmt.Errorf("pair %d: %w", i+1, err)
			}
			*r.times = append(*r.times, took)
			if err := b.remove(ctx, name); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "pair %d: cold from a Program %.2fs, from git %.2fs\n", i+1, last(b.raw.BesideGit), last(b.raw.ColdGit))
	}
	return nil
}

// countPolls has many Stacks follow few repositories, and counts what the git host is asked.
func (b *bench) countPolls(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, gitLimit+pollIntervals*pollInterval)
	defer cancel()
	for i := range b.options.repositories {
		if err := b.push(repositoryName(i)); err != nil {
			return err
		}
	}
	if err := b.git.Forget(); err != nil {
		return err
	}
	began := time.Now()
	for i := range b.options.followers {
		url := b.git.URLOf(repositoryName(i % b.options.repositories))
		if _, err := b.CreateStack(ctx, fmt.Sprintf("follower-%03d", i), "none", held, fmt.Sprintf(gitStack, url)); err != nil {
			return err
		}
	}
	if err := b.untilAllHeld(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "git: %d stacks know their commit after %.1fs\n", b.options.followers, time.Since(began).Seconds())
	for i := range b.options.repositories {
		fetches, err := b.git.Count(repositoryName(i), gitserver.Fetch)
		if err != nil {
			return err
		}
		b.raw.Fetches = append(b.raw.Fetches, float64(fetches))
	}
	if err := b.listsPerInterval(ctx); err != nil {
		return err
	}
	var err error
	if b.raw.FollowingMB, err = b.managerMB(ctx); err != nil {
		return err
	}
	return b.dismissFollowers(ctx)
}

func repositoryName(i int) string { return fmt.Sprintf("repository-%02d", i) }

// listsPerInterval counts how often refs are listed in some intervals.
func (b *bench) listsPerInterval(ctx context.Context) error {
	if err := b.git.Forget(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("counting polls: %w", ctx.Err())
	case <-time.After(pollIntervals * pollInterval):
	}
	requests, err := b.git.Requests()
	if err != nil {
		return err
	}
	lists := map[string]int{}
	for _, request := range requests {
		if request.Kind == gitserver.List {
			lists[request.Repository]++
		}
	}
	if len(lists) != b.options.repositories {
		return fmt.Errorf("%d of %d repositories were polled in %s", len(lists), b.options.repositories, pollIntervals*pollInterval)
	}
	for _, times := range lists {
		b.raw.ListsPerInterval += float64(times) / pollIntervals
	}
	return nil
}

// untilAllHeld waits until every Stack that follows has its source and waits for nothing but what never comes.
func (b *bench) untilAllHeld(ctx context.Context) error {
	for i := range b.options.followers {
		stack := b.Stack(fmt.Sprintf("follower-%03d", i))
		if err := b.Until(ctx, stack, "to know its commit", func() bool {
			return stage.Condition(stack.Status.Conditions, "Reconciling").Reason == pulumiv1.ReasonPrerequisiteNotSatisfied
		}); err != nil {
			return err
		}
	}
	return nil
}

// dismissFollowers deletes the Stacks, for which nothing ever ran.
func (b *bench) dismissFollowers(ctx context.Context) error {
	if err := b.Client.DeleteAllOf(ctx, &pulumiv1.Stack{}, client.InNamespace(b.Name), client.MatchingLabels{"bench": "follower"}); err != nil {
		return fmt.Errorf("deleting the Stacks that follow: %w", err)
	}
	for i := range b.options.followers {
		if err := b.UntilGone(ctx, b.Stack(fmt.Sprintf("follower-%03d", i)), "to be gone"); err != nil {
			return err
		}
	}
	return nil
}
