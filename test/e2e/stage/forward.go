package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Forward opens ports of a pod on this machine's loopback and returns where they are, in the order asked.
// They are closed when ctx ends.
func (s *Stage) Forward(ctx context.Context, pod *corev1.Pod, ports ...int) ([]string, error) {
	transport, upgrader, err := spdy.RoundTripperFor(s.Config)
	if err != nil {
		return nil, fmt.Errorf("forwarding to %s: %w", pod.Name, err)
	}
	url := s.Kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	wanted := make([]string, len(ports))
	for i, port := range ports {
		wanted[i] = fmt.Sprintf("0:%d", port)
	}
	ready, failed := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, wanted, ctx.Done(), ready, io.Discard, io.Discard)
	if err != nil {
		return nil, fmt.Errorf("forwarding to %s: %w", pod.Name, err)
	}
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		return nil, fmt.Errorf("forwarding to %s: %w", pod.Name, err)
	}
	opened, err := forwarder.GetPorts()
	if err != nil {
		return nil, fmt.Errorf("forwarding to %s: %w", pod.Name, err)
	}
	addresses := make([]string, len(opened))
	for i, port := range opened {
		addresses[i] = fmt.Sprintf("127.0.0.1:%d", port.Local)
	}
	return addresses, nil
}
