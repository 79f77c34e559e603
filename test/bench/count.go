package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// mark is in the line that the agent logs for each process it starts.
const mark = "running pulumi"

// counter takes the CLI's place in the pod and leaves a line for each process before it becomes one: a
// count that does not rely on what the agent says of itself.
const counter = `#!/bin/sh
echo "$1 $2" >> /tmp/processes
exec /usr/local/bin/pulumi "$@"
`

const countedStack = `
spec:
  workspaceTemplate:
    spec:
      env: [{name: PATH, value: "/counter:/usr/local/bin:/usr/bin:/bin"}]
      podTemplate:
        spec:
          volumes:
          - {name: state, persistentVolumeClaim: {claimName: state}}
          - {name: counter, configMap: {name: counter, defaultMode: 0555}}
          containers:
          - name: pulumi
            volumeMounts:
            - {name: state, mountPath: /state}
            - {name: counter, mountPath: /counter}
`

// logged is how many processes the agent says it started in a Stack's pod.
func (b *bench) logged(ctx context.Context, name string) (int, error) {
	log, err := b.Log(ctx, b.Pod(name), stage.PulumiContainer, 0)
	if err != nil {
		return 0, err
	}
	return strings.Count(log, mark), nil
}

// countProcesses counts the processes of one cold and one warm run twice over, to see that the agent's log
// tells the truth. This cold run may have one more than others: the version of a script has to be asked for.
func (b *bench) countProcesses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	script := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: b.Name, Name: "counter"}, Data: map[string]string{"pulumi": counter}}
	if err := b.Client.Create(ctx, script); err != nil {
		return fmt.Errorf("counting processes: %w", err)
	}
	if err := b.ApplyProgram(ctx, "counted", program); err != nil {
		return err
	}
	stack, err := b.CreateStack(ctx, "counted", "counted", small, countedStack)
	if err != nil {
		return err
	}
	if err := b.untilDone(ctx, stack, func() bool { return stage.Ready(stack) }); err != nil {
		return err
	}
	cold, err := b.counted(ctx)
	if err != nil {
		return err
	}
	if _, err := b.warm(ctx, "counted", "again"); err != nil {
		return err
	}
	both, err := b.counted(ctx)
	if err != nil {
		return err
	}
	b.raw.ColdCommands, b.raw.WarmCommands = cold, both[len(cold):]
	return b.remove(ctx, "counted")
}

// counted lists the processes so far by their first words, and compares with the agent's log.
func (b *bench) counted(ctx context.Context) ([]string, error) {
	lines, err := b.Exec(ctx, b.Pod("counted"), stage.PulumiContainer, "cat", "/tmp/processes")
	if err != nil {
		return nil, err
	}
	processes := strings.Split(strings.TrimSpace(lines), "\n")
	said, err := b.logged(ctx, "counted")
	if err != nil {
		return nil, err
	}
	if said != len(processes) {
		return nil, fmt.Errorf("the agent's log has %d lines %q, and %d processes were started: %q", said, mark, len(processes), processes)
	}
	return processes, nil
}
