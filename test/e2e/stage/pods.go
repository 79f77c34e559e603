package stage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// PulumiContainer is the container that runs the agent.
const PulumiContainer = "pulumi"

// Pod is the pod of a Workspace, to be read or watched.
func (n *Namespace) Pod(workspace string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: n.meta(autov1alpha1.PodName(workspace))}
}

// Exec runs a command in a pod's container and returns what it writes.
func (s *Stage) Exec(ctx context.Context, pod *corev1.Pod, container string, command ...string) (string, error) {
	request := s.Kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(s.Config, "GET", request.URL().String())
	if err != nil {
		return "", fmt.Errorf("exec in %s: %w", pod.Name, err)
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return stdout.String(), fmt.Errorf("%s in %s: %w: %s", strings.Join(command, " "), pod.Name, err, stderr.String())
	}
	return stdout.String(), nil
}

// Shell runs a line of shell in the pulumi container of a Workspace's pod, in the program's directory.
func (n *Namespace) Shell(ctx context.Context, workspace, line string) (string, error) {
	return n.Exec(ctx, n.Pod(workspace), PulumiContainer, "sh", "-c", "cd /share/workspace && "+line)
}

// Log returns a container's log; the last lines of it if tail is not 0.
func (s *Stage) Log(ctx context.Context, pod *corev1.Pod, container string, tail int64) (string, error) {
	options := &corev1.PodLogOptions{Container: container}
	if tail != 0 {
		options.TailLines = &tail
	}
	return s.readLog(ctx, pod, options)
}

// LogSince returns a container's log since a time, each line with the time it was written at.
func (s *Stage) LogSince(ctx context.Context, pod *corev1.Pod, container string, since time.Time) (string, error) {
	from := metav1.NewTime(since)
	return s.readLog(ctx, pod, &corev1.PodLogOptions{Container: container, Timestamps: true, SinceTime: &from})
}

func (s *Stage) readLog(ctx context.Context, pod *corev1.Pod, options *corev1.PodLogOptions) (string, error) {
	stream, err := s.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("the log of %s: %w", pod.Name, err)
	}
	defer stream.Close()
	log, err := io.ReadAll(stream)
	if err != nil {
		return "", fmt.Errorf("the log of %s: %w", pod.Name, err)
	}
	return string(log), nil
}

// PodReady tells whether a pod is ready.
func PodReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Kill deletes a pod without any grace: its processes get SIGKILL.
func (s *Stage) Kill(ctx context.Context, pod *corev1.Pod) error {
	err := s.Kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if err != nil {
		return fmt.Errorf("killing pod %s: %w", pod.Name, err)
	}
	return nil
}

// Follow reads a container's log as it grows until it has what is wanted.
func (s *Stage) Follow(ctx context.Context, pod *corev1.Pod, container string, wanted func(string) bool) (string, error) {
	options := &corev1.PodLogOptions{Container: container, Follow: true}
	stream, err := s.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("the log of %s: %w", pod.Name, err)
	}
	defer stream.Close()
	var log strings.Builder
	chunk := make([]byte, 4096)
	for {
		n, err := stream.Read(chunk)
		log.Write(chunk[:n])
		if wanted(log.String()) {
			return log.String(), nil
		}
		if err != nil {
			return "", fmt.Errorf("the log of %s ended without what is wanted: %w:\n%s", pod.Name, err, log.String())
		}
	}
}
