package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// options are all that the agent is told from outside. Nothing else reads flags or the environment.
type options struct {
	hub, serverName   string
	tokenFile         string
	share             string
	roots             *x509.CertPool
	dynamicEnv        string
	namespace         string
	serviceHost       string
	servicePort       string
	noClusterDNS      bool
	memoryLimit       int64
	killAfter         time.Duration
	environment       []string
	serviceAccountDir string
	cache             string
	host              string
	terminationLog    string
}

func readOptions(args []string) (options, error) {
	o := options{
		namespace:    os.Getenv("POD_NAMESPACE"),
		serviceHost:  os.Getenv("KUBERNETES_SERVICE_HOST"),
		servicePort:  os.Getenv("KUBERNETES_SERVICE_PORT"),
		noClusterDNS: os.Getenv("GANTRY_HOST_NETWORK_DNS") == "true",
		environment:  forPrograms(os.Environ()),
	}
	flags := flag.NewFlagSet("agent run", flag.ContinueOnError)
	flags.StringVar(&o.hub, "hub", os.Getenv("GANTRY_HUB"), "address of the manager's hub, host:port")
	flags.StringVar(&o.tokenFile, "token-file", "/var/run/secrets/gantry/token", "the pod's token for the hub")
	flags.StringVar(&o.share, "share", "/share", "directory on the pod's disk that outlives the container")
	flags.StringVar(&o.serviceAccountDir, "service-account-dir", "/var/run/secrets/kubernetes.io/serviceaccount",
		"where the pod's service account is mounted")
	flags.StringVar(&o.cache, "cache", "/var/cache/gantry", "directory for what package managers download, used where it is there")
	flags.StringVar(&o.terminationLog, "termination-log", "/dev/termination-log", "where the kubelet reads why the container ended")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	o.dynamicEnv = o.share + "/.env"
	if path := os.Getenv("PULUMI_ENV"); path != "" {
		o.dynamicEnv = path
	}
	var err error
	if o.host, err = os.Hostname(); err != nil {
		return options{}, fmt.Errorf("ask for the host name: %w", err)
	}
	if o.serverName, _, err = net.SplitHostPort(o.hub); err != nil {
		return options{}, fmt.Errorf("the hub's address %q is not host:port; set GANTRY_HUB or --hub", o.hub)
	}
	o.roots = x509.NewCertPool()
	if !o.roots.AppendCertsFromPEM([]byte(os.Getenv("GANTRY_CA"))) {
		return options{}, errors.New("GANTRY_CA has no certificate; it must hold the manager's CA as PEM")
	}
	if o.memoryLimit, err = quantity(os.Getenv("AGENT_MEMLIMIT")); err != nil {
		return options{}, fmt.Errorf("AGENT_MEMLIMIT: %w", err)
	}
	if after := os.Getenv("GANTRY_KILL_AFTER"); after != "" {
		if o.killAfter, err = time.ParseDuration(after); err != nil {
			return options{}, fmt.Errorf("GANTRY_KILL_AFTER: %w", err)
		}
	}
	return o, nil
}

// forPrograms is the environment without what is the agent's own.
func forPrograms(environment []string) []string {
	var kept []string
	for _, variable := range environment {
		if !strings.HasPrefix(variable, "GANTRY_") && !strings.HasPrefix(variable, "AGENT_MEMLIMIT=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// quantity reads a whole number of bytes as Kubernetes writes it, such as 64Mi; 0 for none.
func quantity(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, factor := text, int64(1)
	for _, unit := range []struct {
		suffix string
		factor int64
	}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if rest, ok := strings.CutSuffix(text, unit.suffix); ok {
			number, factor = rest, unit.factor
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is not a number of bytes such as 64Mi", text)
	}
	return n * factor, nil
}
