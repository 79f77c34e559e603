package operator

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func parse(args []string, env map[string]string) (Options, error) {
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return ParseOptions(flags, args, func(name string) string { return env[name] })
}

func TestParseOptions(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		env    map[string]string
		get    func(Options) any
		want   any
	}{
		"Lease":         {"short, as a change of the leader costs nothing", nil, nil, func(o Options) any { return o.LeaseDuration }, 15 * time.Second},
		"PKO":           {"where its quickstart installs it", nil, nil, func(o Options) any { return o.PKONamespace }, "pulumi-kubernetes-operator"},
		"Flag":          {"a flag counts", []string{"--leader-election-lease-duration=60s"}, nil, func(o Options) any { return o.LeaseDuration }, time.Minute},
		"EnvOverFlag":   {"as in PKO", []string{"--leader-election-lease-duration=60s"}, map[string]string{"LEADER_ELECTION_LEASE_DURATION": "70s"}, func(o Options) any { return o.LeaseDuration }, 70 * time.Second},
		"EmptyEnv":      {"an empty variable says nothing", []string{"--kube-api-timeout=9s"}, map[string]string{"KUBE_API_TIMEOUT": ""}, func(o Options) any { return o.APITimeout }, 9 * time.Second},
		"UntarSize":     {"as PKO has it", nil, map[string]string{"FLUX_MAX_UNTAR_SIZE_BYTES": "1048576"}, func(o Options) any { return fluxLimits(o).Bytes }, int64(1 << 20)},
		"UntarSizeNone": {"what the store takes bounds it all the same", nil, map[string]string{"FLUX_MAX_UNTAR_SIZE_BYTES": "-1"}, func(o Options) any { return fluxLimits(o).Bytes }, int64(2 << 30)},
		"UntarSizeMore": {"what the store takes bounds it all the same", nil, map[string]string{"FLUX_MAX_UNTAR_SIZE_BYTES": "9999999999"}, func(o Options) any { return fluxLimits(o).Bytes }, int64(2 << 30)},
		"UntarDefault":  {"what the store takes is the bound", nil, nil, func(o Options) any { return fluxLimits(o).Bytes }, int64(2 << 30)},
		"SourceHost":    {"as PKO has it", nil, map[string]string{"SOURCE_CONTROLLER_LOCALHOST": "localhost:8080"}, func(o Options) any { return o.FluxHost }, "localhost:8080"},
		"Concurrency":   {"from the environment only", nil, map[string]string{"MAX_CONCURRENT_RECONCILES": "7"}, func(o Options) any { return o.Concurrency }, 7},
		"Concurrency25": {"PKO's default", nil, nil, func(o Options) any { return o.Concurrency }, 25},
		"PullPolicy":    {"of the agent's image", nil, map[string]string{"AGENT_IMAGE_PULL_POLICY": "Never"}, func(o Options) any { return o.AgentImagePullPolicy }, corev1.PullNever},
		"Metrics":       {"off by default", nil, nil, func(o Options) any { return o.MetricsAddress }, "0"},
		"Proxies": {
			"git gets the proxies and the search path, and nothing else", nil,
			map[string]string{"PATH": "/bin", "https_proxy": "http://p:1", "POD_NAME": "x", "TOKEN": "y"},
			func(o Options) any { return strings.Join(o.gitEnvironment, " ") }, "PATH=/bin https_proxy=http://p:1",
		},
		"Webhook":       {"off by default", nil, nil, func(o Options) any { return o.WebhookAddress }, ""},
		"WebhookOn":     {"with a Secret by default", []string{"--webhook-bind-address=:9445"}, nil, func(o Options) any { return o.WebhookAddress + o.WebhookSecret }, ":9445gantry-webhook"},
		"MetricsSecure": {"on by default", nil, nil, func(o Options) any { return o.MetricsSecure }, true},
		"PerStack":      {"on by default, as PKO has them", nil, nil, func(o Options) any { return o.MetricsPerStack }, true},
		"Together":      {"off for a large fleet", []string{"--metrics-per-stack=false"}, nil, func(o Options) any { return o.MetricsPerStack }, false},
		"Traces":        {"off by default", nil, nil, func(o Options) any { return o.traces }, ""},
		"TracesOn": {
			"by OpenTelemetry's own environment", nil, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://a"},
			func(o Options) any { return o.traces }, otlpHTTP,
		},
		"Elsewhere":   {"nothing is destroyed elsewhere by default", nil, nil, func(o Options) any { return o.DestroyNamespace }, ""},
		"ElsewhereOn": {"but where a flag says", []string{"--destroy-namespace=undertaker"}, nil, func(o Options) any { return o.DestroyNamespace }, "undertaker"},
		"StoreSize":   {"room for many", nil, nil, func(o Options) any { return o.ArtifactStoreSize.Value() }, int64(10 << 30)},
		"MaxSize":     {"as a quantity", []string{"--artifact-max-size=1500Mi"}, nil, func(o Options) any { return o.ArtifactMaxSize.Value() }, int64(1500 << 20)},
		"PKOsArguments": {
			"a Deployment that was made for PKO starts",
			strings.Fields("--leader-elect --health-probe-bind-address=:8081 --program-fs-adv-addr=x:80 --program-fs-addr=:9090 --metrics-bind-address=:8383 --metrics-secure=false --enable-http2 --zap-log-level=info --zap-time-encoding=iso8601 --zap-encoder=console"),
			nil, func(o Options) any { return o.LeaderElect && !o.MetricsSecure }, true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, tc.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := tc.get(o); got != tc.want {
				t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}

func TestParseOptionsRefusals(t *testing.T) {
	cases := map[string]struct {
		args []string
		env  map[string]string
		// want is part of the message: it says what is wrong and where.
		want string
	}{
		"Argument":      {[]string{"run"}, nil, `"run"`},
		"UnknownFlag":   {[]string{"--no-such"}, nil, "no-such"},
		"BadDuration":   {nil, map[string]string{"KUBE_API_TIMEOUT": "30"}, `KUBE_API_TIMEOUT: "30"`},
		"BadUntarSize":  {nil, map[string]string{"FLUX_MAX_UNTAR_SIZE_BYTES": "100Mi"}, `FLUX_MAX_UNTAR_SIZE_BYTES: "100Mi"`},
		"NoUntarSize":   {nil, map[string]string{"FLUX_MAX_UNTAR_SIZE_BYTES": "0"}, "FLUX_MAX_UNTAR_SIZE_BYTES"},
		"BadNumber":     {nil, map[string]string{"MAX_CONCURRENT_RECONCILES": "many"}, `MAX_CONCURRENT_RECONCILES: "many"`},
		"NoWorkers":     {nil, map[string]string{"MAX_CONCURRENT_RECONCILES": "0"}, "MAX_CONCURRENT_RECONCILES"},
		"LeaseTooShort": {[]string{"--leader-election-lease-duration=10s"}, nil, "lease duration"},
		"RenewTooShort": {[]string{"--leader-election-renew-deadline=2s"}, nil, "renew deadline"},
		"PullPolicy":    {nil, map[string]string{"AGENT_IMAGE_PULL_POLICY": "Sometimes"}, `"Sometimes"`},
		"MaxSize":       {[]string{"--artifact-max-size=large"}, nil, "artifact-max-size"},
		"TooLarge":      {[]string{"--artifact-max-size=5Gi"}, nil, "4294967296 bytes"},
		"StoreSize":     {[]string{"--artifact-store-size=0"}, nil, "limits of artifacts"},
		"GitFetches":    {[]string{"--git-fetches=0"}, nil, "limits of git"},
		"GitMemory":     {[]string{"--git-memory=much"}, nil, "git-memory"},
		"NoSecret":      {[]string{"--webhook-bind-address=:9445", "--webhook-secret="}, nil, "--webhook-secret"},
		"Destroy":       {[]string{"--destroy-namespace=No Where"}, nil, `--destroy-namespace: "No Where"`},
		"IdleTimeout":   {[]string{"--idle-timeout=-1s"}, nil, "idle timeout"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.args, tc.env)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %s", err, tc.want)
			}
		})
	}
	if _, err := parse([]string{"--help"}, nil); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v", err)
	}
}
