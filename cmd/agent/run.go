package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gantry-operator/gantry/internal/agent"
	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/dependencies"
	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/agent/project"
	"github.com/gantry-operator/gantry/internal/agent/runner"
	"github.com/gantry-operator/gantry/internal/agent/session"
	"github.com/gantry-operator/gantry/internal/agent/settings"
	"github.com/gantry-operator/gantry/internal/operation"
)

// run serves the manager until the pod ends.
func run(args []string) error {
	o, err := readOptions(args)
	if err != nil {
		return err
	}
	if o.memoryLimit > 0 {
		debug.SetMemoryLimit(o.memoryLimit)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	children, err := cli.NewChildren()
	if err != nil {
		return err
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go children.Watch(ctx)

	killing, kill := context.WithCancel(ctx)
	defer kill()
	operations := newRunner(o, children, killing.Done(), log)
	entries, err := journal.Open(filepath.Join(o.share, ".gantry", "journal"))
	if err != nil {
		return err
	}
	worker, err := agent.New(ctx, agent.Options{Version: version, Journal: entries, Runner: operations, Now: time.Now, Log: log})
	if err != nil {
		return err
	}
	operations.Keep = worker.Keep
	if !operations.ReadVersion() {
		go func() {
			if err := operations.AskVersion(ctx); err != nil {
				log.Error("the Pulumi CLI does not say its version", "error", err)
				return
			}
			worker.SayVersion()
		}()
	}
	client := &session.Client{
		Hub: o.hub, TLS: trust(o, o.serverName), Token: o.token, Handler: worker, Log: log,
	}
	given := tell(client, o, worker, log)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		client.Run(ctx)
	}()
	select {
	case <-ended.Done():
	case trouble := <-given:
		return lastWords(o, trouble, log)
	}
	// A second signal ends the program at once.
	stop()
	log.Info("the pod is ending", "killAfter", o.killAfter.String())
	if o.killAfter > 0 {
		defer time.AfterFunc(o.killAfter, kill).Stop()
	}
	worker.Stop("the pod was ending", recordWithin)
	cancel()
	<-closed
	return nil
}

// newRunner builds what runs operations.
func newRunner(o options, children *cli.Children, kill <-chan struct{}, log *slog.Logger) *runner.Runner {
	state := filepath.Join(o.share, ".gantry")
	return &runner.Runner{
		CLI: &cli.CLI{Path: "pulumi", Children: children, Kill: kill, Output: os.Stdout, Log: log},
		Workspace: &project.Workspace{
			Fetcher: &project.Fetcher{
				Own: &http.Client{Transport: &http.Transport{
					TLSClientConfig: trust(o, ""), ForceAttemptHTTP2: true, ResponseHeaderTimeout: answerWithin,
				}},
				Foreign: &http.Client{Transport: outside()},
				Token:   o.token, Dir: filepath.Join(o.share, "source"), Patience: fetchPatience,
				Limits: project.Limits{Bytes: operation.MaxArchiveBytes, Files: operation.MaxArchiveFiles}, Log: log,
			},
			Link:     filepath.Join(o.share, "workspace"),
			Made:     filepath.Join(state, "made"),
			Writable: func(dir string) bool { return unix.Access(dir, unix.W_OK) == nil },
		},
		Settings: settings.NewWriter(filepath.Join(state, "settings")),
		Pod: runner.Pod{
			Kubeconfig: filepath.Join(o.share, "kubeconfig"), Namespace: o.namespace,
			NoClusterDNS: o.noClusterDNS, ServiceHost: o.serviceHost, ServicePort: o.servicePort,
			TokenPath: filepath.Join(o.serviceAccountDir, "token"), CAPath: filepath.Join(o.serviceAccountDir, "ca.crt"),
		},
		Env: cached(o, log), Host: o.host, HTTP: &http.Client{
			Transport: outside(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		DynamicEnv: o.dynamicEnv, State: state, Now: time.Now, Log: log,
	}
}

// outside is the way to servers that are not the manager's.
func outside() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, ResponseHeaderTimeout: answerWithin,
	}
}

// cached is the environment of the processes, with the user's directory for caches where there is one.
func cached(o options, log *slog.Logger) []string {
	if info, err := os.Stat(o.cache); err != nil || !info.IsDir() {
		return o.environment
	}
	if err := unix.Access(o.cache, unix.W_OK); err != nil {
		log.Warn("the directory for caches cannot be written to and is not used", "dir", o.cache, "error", err)
		return o.environment
	}
	if err := dependencies.CachePlugins(o.environment, o.cache); err != nil {
		log.Warn("plugins are not kept in the cache", "error", err)
	}
	log.Info("package managers keep what they download", "dir", o.cache)
	return dependencies.Cached(o.environment, o.cache)
}

// trust is a TLS configuration that trusts the manager's CA and nobody else.
func trust(o options, serverName string) *tls.Config {
	return &tls.Config{RootCAs: o.roots, ServerName: serverName, MinVersion: tls.VersionTLS12}
}

// token reads the pod's token, which kubelet replaces from time to time.
func (o options) token() (string, error) {
	text, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return "", fmt.Errorf("the pod's token for the manager: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("the pod's token for the manager is empty: " + o.tokenFile)
	}
	return token, nil
}

const (
	answerWithin  = 30 * time.Second
	fetchPatience = 60 * time.Second
	recordWithin  = 30 * time.Second
)
