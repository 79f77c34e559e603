package node

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/component"
	"github.com/gantry-operator/gantry/test/cluster/kubeapi"
	"github.com/gantry-operator/gantry/test/cluster/paths"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// boot is the start of a cluster: a list of steps, each with a condition to wait for.
type boot struct {
	node     *node
	api      *kubeapi.Client
	progress io.Writer
	began    time.Time
}

func newBoot(n *node, api *kubeapi.Client, progress io.Writer) *boot {
	return &boot{node: n, api: api, progress: progress, began: time.Now()}
}

type step struct {
	name  string
	start []string // components to start first
	// done is asked until it returns nil.
	done func(context.Context) error
}

func (b *boot) steps() []step {
	return []step{
		{"etcd answers", []string{component.Etcd, component.Containerd}, b.etcdHealthy},
		{"containerd answers, pause image loaded", []string{component.APIServer}, b.pauseLoaded},
		{"API server is ready", nil, func(ctx context.Context) error { return b.api.Get(ctx, "/readyz", nil) }},
		{"storage class, DNS service and roles applied", []string{
			component.ControllerManager, component.Scheduler, component.Kubelet, component.Proxy, component.DNS,
		}, b.applyManifests},
		{"node is ready", nil, b.nodeReady},
		{"default service account is there", nil, func(ctx context.Context) error {
			return b.api.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
		}},
		{"cluster DNS answers through its service", nil, dnsAnswers},
	}
}

func (b *boot) run(ctx context.Context) error {
	for _, s := range b.steps() {
		for _, name := range s.start {
			if err := b.node.keeper(name).start(); err != nil {
				return err
			}
		}
		began := time.Now()
		if err := b.wait(ctx, s); err != nil {
			return err
		}
		line := fmt.Sprintf("%6.1fs  %s (%.1fs)", time.Since(b.began).Seconds(), s.name, time.Since(began).Seconds())
		// Nobody reads any more: `cluster up` was ended, and so is this start.
		if _, err := fmt.Fprintln(b.progress, line); err != nil {
			return fmt.Errorf("nobody waits for the cluster any more: %w", err)
		}
	}
	return nil
}

// wait asks until the step is done. Every thing waited for is polled: sockets
// and processes that are not there yet cannot be watched.
func (b *boot) wait(ctx context.Context, s step) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := s.done(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not reached: %s: %w (logs are in .cluster/logs)", s.name, err)
		case <-ticker.C:
		}
	}
}

func (b *boot) etcdHealthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, component.EtcdClient+"/health", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func (b *boot) pauseLoaded(context.Context) error {
	if _, err := os.Stat(b.node.state.Containerd()); err != nil {
		return err
	}
	archive := filepath.Join(b.node.programs, "pause.tar")
	return b.node.processes.run([]string{
		"/usr/bin/ctr", "--address", b.node.state.Containerd(), "--namespace", "k8s.io", "images", "import", archive,
	}, "images")
}

// applyManifests applies the embedded objects; a file's first line names the
// path of its object.
func (b *boot) applyManifests(ctx context.Context) error {
	entries, err := manifests.ReadDir("manifests")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := manifests.ReadFile("manifests/" + entry.Name())
		if err != nil {
			return err
		}
		first, rest, _ := strings.Cut(string(content), "\n")
		path, ok := strings.CutPrefix(first, "# ")
		if !ok {
			return fmt.Errorf("%s does not begin with a path", entry.Name())
		}
		if err := b.api.Apply(ctx, path, []byte(rest)); err != nil {
			return err
		}
	}
	return nil
}

func (b *boot) nodeReady(ctx context.Context) error {
	var found struct {
		Spec struct {
			Taints []struct {
				Key string `json:"key"`
			} `json:"taints"`
		} `json:"spec"`
		Status struct {
			Conditions []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
			} `json:"conditions"`
		} `json:"status"`
	}
	if err := b.api.Get(ctx, "/api/v1/nodes/"+paths.NodeName, &found); err != nil {
		return err
	}
	if len(found.Spec.Taints) > 0 {
		return fmt.Errorf("the node still has the taint %s", found.Spec.Taints[0].Key)
	}
	for _, condition := range found.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" {
			return nil
		}
	}
	return errors.New("the node is not Ready")
}

// dnsAnswers asks the way a pod does: by the service's address.
func dnsAnswers(ctx context.Context) error {
	dialer := net.Dialer{Timeout: time.Second}
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, net.JoinHostPort(paths.DNSAddress, "53"))
	}}
	found, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err != nil {
		return err
	}
	if !slices.Contains(found, paths.APIServiceAddress) {
		return fmt.Errorf("kubernetes.default.svc is %v, not %s", found, paths.APIServiceAddress)
	}
	return nil
}
