package operator

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/gantry-operator/gantry/internal/notify"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Options are all that a person may set of the manager. The names of flags and environment variables that PKO knows too
// are PKO's.
type Options struct {
	// LeaderElect makes replicas elect the one that works.
	LeaderElect bool
	// LeaseDuration, RenewDeadline and RetryPeriod are those of the election.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
	// PKONamespace is where PKO is, if it is there: its lease has to be free. Empty does not look.
	PKONamespace string
	// APITimeout bounds every request to the API server but watches.
	APITimeout time.Duration
	// Concurrency is how many objects of a kind are reconciled at once.
	Concurrency int

	// MetricsAddress is where metrics are served; "0" serves none. MetricsSecure serves them over TLS to those who may
	// read them; MetricsHTTP2 allows HTTP/2 there.
	MetricsAddress              string
	MetricsSecure, MetricsHTTP2 bool
	// MetricsPerStack serves series of each Stack and Program, beside those of all of them together.
	MetricsPerStack bool
	// HealthAddress is where the probes are served.
	HealthAddress string
	// HubAddress and ArtifactAddress are where the leader serves agents.
	HubAddress, ArtifactAddress string
	// HubService is the Service, in the manager's namespace, by which agents call the leader.
	HubService string
	// WebhookAddress is where the leader is told of pushes by git hosts; empty for nowhere. WebhookSecret is the Secret, in
	// the manager's namespace, with what these sign with.
	WebhookAddress, WebhookSecret string
	// EventsAddress is that of Flux's notification controller; empty for nobody.
	EventsAddress string
	// ArtifactDir is where the archives of sources are kept. It may be empty at every start.
	ArtifactDir string
	// ArtifactStoreSize bounds what the archives have together; ArtifactMaxSize and ArtifactMaxFiles bound each.
	ArtifactStoreSize, ArtifactMaxSize resource.QuantityValue
	ArtifactMaxFiles                   int
	// GitKnownHosts and GitAuthorities are files: the SSH host keys and the certificate authorities that git hosts are
	// trusted by, beside those that a Stack names.
	GitKnownHosts, GitAuthorities string
	// GitRepositorySize bounds what the manager keeps of one repository, and GitMemory each process of git.
	GitRepositorySize, GitMemory resource.QuantityValue
	// GitFetches is how many commits are fetched at the same time.
	GitFetches int
	// FluxMaxUntarSize bounds what the artifact of a Flux source may have in it, in bytes; a negative number sets no bound
	// of its own. FluxHost stands in for the host of the URLs of such artifacts, for a manager outside of the cluster.
	FluxMaxUntarSize int64
	FluxHost         string

	// IdleTimeout is how long a pod is kept without work where its Workspace does not say.
	IdleTimeout time.Duration
	// CancelGrace is how long an operation that is canceled may take to end by itself.
	CancelGrace time.Duration

	// DestroyNamespace is where Stacks are destroyed whose own namespace is being deleted; empty for nowhere.
	DestroyNamespace string

	// WatchNamespaces are the namespaces whose objects the manager cares for; none for all of them.
	WatchNamespaces []string

	// PodNamespace, PodName and PodUID are the manager's own. Without a name it runs outside of the cluster. The UID tells
	// the processes of one pod, of which never two run, from those of another, which might.
	PodNamespace, PodName, PodUID string
	// AgentImage carries the agent, at /agent. By default it is the image of the manager's own pod.
	AgentImage           string
	AgentImagePullPolicy corev1.PullPolicy
	// WorkspaceImage is the image of pods where a Workspace names none; WorkspaceImageAgentPath is the path of the agent
	// in it, if it carries one.
	WorkspaceImage, WorkspaceImageAgentPath string

	// Zap are the options of the log.
	Zap zap.Options
	// Clock is the time.
	Clock clock.WithTicker

	// programAddress and programAdvertised are PKO's flags for its server of Programs. They are taken, so that a
	// Deployment made for PKO starts, and mean nothing.
	programAddress, programAdvertised string
	// pkoNamed tells that a flag names PKO's namespace.
	pkoNamed bool
	// gitEnvironment is what git may see of the environment: where programs are, and the proxies.
	gitEnvironment []string
	// traces is the protocol by which traces are exported; empty for not at all.
	traces string
}

// defaults are the options where neither a flag nor the environment says anything.
func defaults() Options {
	return Options{
		// PKO's lease is four times as long. There a change of the leader loses the operations that run; here they go on
		// in their pods, so finding out sooner that a leader died costs nothing. A leader that ends in good order hands
		// its lease over at once anyway.
		LeaseDuration: 15 * time.Second,
		RenewDeadline: 10 * time.Second,
		RetryPeriod:   2 * time.Second,

		PKONamespace:    "pulumi-kubernetes-operator",
		APITimeout:      30 * time.Second,
		Concurrency:     25,
		MetricsAddress:  "0",
		MetricsSecure:   true,
		MetricsPerStack: true,
		HealthAddress:   ":8081",
		HubAddress:      ":9443",
		ArtifactAddress: ":9444",
		HubService:      "gantry-hub",
		WebhookSecret:   "gantry-webhook",
		ArtifactDir:     "/var/lib/gantry",

		ArtifactStoreSize: resource.QuantityValue{Quantity: resource.MustParse("10Gi")},
		ArtifactMaxSize:   resource.QuantityValue{Quantity: resource.MustParse("2Gi")},
		ArtifactMaxFiles:  500_000,
		GitKnownHosts:     "/etc/ssh/ssh_known_hosts",
		GitAuthorities:    "/etc/ssl/certs/ca-certificates.crt",
		GitRepositorySize: resource.QuantityValue{Quantity: resource.MustParse("2Gi")},
		GitMemory:         resource.QuantityValue{Quantity: resource.MustParse("512Mi")},
		GitFetches:        2,

		IdleTimeout:    5 * time.Minute,
		CancelGrace:    5 * time.Minute,
		PodNamespace:   "gantry-system",
		WorkspaceImage: "pulumi/pulumi:latest-nonroot",
		Clock:          clock.RealClock{},
	}
}

// ParseOptions reads the flags and the environment. Where both say something, the environment wins, as it does in PKO.
func ParseOptions(flags *flag.FlagSet, args []string, getenv func(string) string) (Options, error) {
	o := defaults()
	o.bind(flags)
	o.Zap.BindFlags(flags)
	watched := flags.String("watch-namespaces", "", "the namespaces whose Stacks are cared for, as a,b; empty for all (WATCH_NAMESPACES)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("the manager takes flags only, not %q", flags.Arg(0))
	}
	if err := o.environment(getenv); err != nil {
		return o, err
	}
	o.WatchNamespaces = namespaceList(*watched, getenv)
	flags.Visit(func(f *flag.Flag) { o.pkoNamed = o.pkoNamed || f.Name == flagPKONamespace })
	o.withoutPKO()
	return o, o.check()
}

// bind declares the flags.
func (o *Options) bind(f *flag.FlagSet) {
	f.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "elect the one replica that works; needed with more than one")
	f.DurationVar(&o.LeaseDuration, "leader-election-lease-duration", o.LeaseDuration, "how long replicas wait for a leader that went without a word (LEADER_ELECTION_LEASE_DURATION)")
	f.DurationVar(&o.RenewDeadline, "leader-election-renew-deadline", o.RenewDeadline, "how long a leader tries to renew its lease before it gives up (LEADER_ELECTION_RENEW_DEADLINE)")
	f.DurationVar(&o.RetryPeriod, "leader-election-retry-period", o.RetryPeriod, "how often replicas look at the lease (LEADER_ELECTION_RETRY_PERIOD)")
	f.StringVar(&o.PKONamespace, flagPKONamespace, o.PKONamespace, "the namespace of the Pulumi Kubernetes Operator, beside which the manager does nothing; empty to not look")
	f.DurationVar(&o.APITimeout, "kube-api-timeout", o.APITimeout, "bound of each request to the API server, but for watches (KUBE_API_TIMEOUT)")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", o.MetricsAddress, "where to serve metrics, such as :8443; 0 for nowhere")
	f.BoolVar(&o.MetricsSecure, "metrics-secure", o.MetricsSecure, "serve metrics over TLS and only to those who may get /metrics")
	f.BoolVar(&o.MetricsHTTP2, "enable-http2", o.MetricsHTTP2, "allow HTTP/2 for metrics")
	f.BoolVar(&o.MetricsPerStack, "metrics-per-stack", o.MetricsPerStack, "serve metrics of each Stack and Program, beside those of all of them together")
	f.StringVar(&o.HealthAddress, "health-probe-bind-address", o.HealthAddress, "where to serve /healthz and /readyz")
	f.StringVar(&o.HubAddress, "hub-bind-address", o.HubAddress, "where the leader serves the sessions of agents")
	f.StringVar(&o.ArtifactAddress, "artifact-bind-address", o.ArtifactAddress, "where the leader serves artifacts to agents")
	f.StringVar(&o.HubService, "hub-service", o.HubService, "the Service by which agents call the leader")
	f.StringVar(&o.WebhookAddress, "webhook-bind-address", o.WebhookAddress, "where the leader is told of pushes by git hosts, such as :9445; empty for nowhere")
	f.StringVar(&o.WebhookSecret, "webhook-secret", o.WebhookSecret, "the Secret, in the manager's namespace, each key of which has what a git host signs with")
	f.StringVar(&o.EventsAddress, "events-addr", o.EventsAddress, "the address of Flux's notification controller, which is told of the events of Stacks; empty for nobody")
	f.StringVar(&o.ArtifactDir, "artifact-dir", o.ArtifactDir, "where to keep the archives of sources")
	f.Var(&o.ArtifactStoreSize, "artifact-store-size", "how much all archives may have together; what Stacks, Workspaces and Programs name is kept even beyond it")
	f.Var(&o.ArtifactMaxSize, "artifact-max-size", "how much the archive of one source may have")
	f.IntVar(&o.ArtifactMaxFiles, "artifact-max-files", o.ArtifactMaxFiles, "how many files, directories and links one source may have")
	f.StringVar(&o.GitKnownHosts, "git-known-hosts", o.GitKnownHosts, "a known_hosts file of git hosts to trust over SSH, beside those that a Stack names")
	f.StringVar(&o.GitAuthorities, "git-ca-file", o.GitAuthorities, "the certificate authorities that git hosts are trusted by, in PEM, beside those that a Stack names")
	f.Var(&o.GitRepositorySize, "git-repository-size", "how much may be kept of one git repository")
	f.Var(&o.GitMemory, "git-memory", "how much memory one process of git may use")
	f.IntVar(&o.GitFetches, "git-fetches", o.GitFetches, "how many commits are fetched at the same time")
	f.DurationVar(&o.IdleTimeout, "idle-timeout", o.IdleTimeout, "how long a pod is kept without work where its Workspace does not say")
	f.DurationVar(&o.CancelGrace, "cancel-grace-period", o.CancelGrace, "how long a canceled operation may take to end by itself")
	f.StringVar(&o.DestroyNamespace, "destroy-namespace", o.DestroyNamespace, "the namespace in which Stacks are destroyed whose own is being deleted; empty for nowhere")
	f.StringVar(&o.programAddress, "program-fs-addr", "", "taken for PKO's sake, without effect: see --artifact-bind-address")
	f.StringVar(&o.programAdvertised, "program-fs-adv-addr", "", "taken for PKO's sake, without effect: see --hub-service")
}

// environment reads the environment. A value that cannot be read is an error: the manager does not run with other
// settings than it was given.
func (o *Options) environment(getenv func(string) string) error {
	texts := map[string]*string{
		"SOURCE_CONTROLLER_LOCALHOST": &o.FluxHost,
		"POD_NAMESPACE":               &o.PodNamespace, "POD_NAME": &o.PodName, "POD_UID": &o.PodUID,
		"AGENT_IMAGE": &o.AgentImage, "AGENT_IMAGE_PULL_POLICY": (*string)(&o.AgentImagePullPolicy),
		"WORKSPACE_IMAGE": &o.WorkspaceImage, "WORKSPACE_IMAGE_AGENT_PATH": &o.WorkspaceImageAgentPath,
	}
	for name, field := range texts {
		if value := getenv(name); value != "" {
			*field = value
		}
	}
	o.gitEnvironment = environmentOf(gitEnvironment(), getenv)
	var failures []error
	var err error
	if o.traces, err = otlpProtocol(getenv); err != nil {
		failures = append(failures, err)
	}
	durations := map[string]*time.Duration{
		"LEADER_ELECTION_LEASE_DURATION": &o.LeaseDuration, "LEADER_ELECTION_RENEW_DEADLINE": &o.RenewDeadline,
		"LEADER_ELECTION_RETRY_PERIOD": &o.RetryPeriod, "KUBE_API_TIMEOUT": &o.APITimeout,
	}
	for name, field := range durations {
		value := getenv(name)
		if value == "" {
			continue
		}
		duration, err := time.ParseDuration(value)
		if err != nil {
			failures = append(failures, fmt.Errorf("environment variable %s: %q is not a duration such as 30s", name, value))
			continue
		}
		*field = duration
	}
	return errors.Join(append(failures, o.numbers(getenv)...)...)
}

// numbers reads the numbers of the environment.
func (o *Options) numbers(getenv func(string) string) (failures []error) {
	if value := getenv("MAX_CONCURRENT_RECONCILES"); value != "" {
		number, err := strconv.Atoi(value)
		if err != nil {
			failures = append(failures, fmt.Errorf("environment variable MAX_CONCURRENT_RECONCILES: %q is not a number", value))
		}
		o.Concurrency = number
	}
	if value := getenv("FLUX_MAX_UNTAR_SIZE_BYTES"); value != "" {
		number, err := strconv.ParseInt(value, 10, 64)
		if err != nil || number == 0 {
			failures = append(failures, fmt.Errorf("environment variable FLUX_MAX_UNTAR_SIZE_BYTES: %q is not a number of bytes, or -1 for no bound of its own", value))
		}
		o.FluxMaxUntarSize = number
	}
	return failures
}

// check refuses what cannot work.
func (o *Options) check() error {
	var failures []error
	refuse := func(wrong bool, what string) {
		if wrong {
			failures = append(failures, errors.New(what))
		}
	}
	refuse(o.Concurrency < 1, "MAX_CONCURRENT_RECONCILES has to be at least 1")
	refuse(o.RetryPeriod <= 0, "the leader election's retry period has to be positive")
	refuse(o.RenewDeadline <= o.RetryPeriod*6/5, "the leader election's renew deadline has to be longer than 1.2 retry periods")
	refuse(o.LeaseDuration <= o.RenewDeadline, "the leader election's lease duration has to be longer than its renew deadline")
	refuse(o.APITimeout <= 0, "the timeout of API requests has to be positive")
	refuse(o.ArtifactStoreSize.Sign() <= 0 || o.ArtifactMaxSize.Sign() <= 0 || o.ArtifactMaxFiles <= 0, "the limits of artifacts have to be positive")
	refuse(o.GitRepositorySize.Sign() <= 0 || o.GitMemory.Sign() <= 0 || o.GitFetches < 1, "the limits of git have to be positive")
	refuse(o.WebhookAddress != "" && o.WebhookSecret == "", "webhooks need a Secret: set --webhook-secret")
	refuse(o.ArtifactMaxSize.Value() > operation.MaxArchiveBytes || o.ArtifactMaxFiles > operation.MaxArchiveFiles,
		fmt.Sprintf("an archive that pods take has %d bytes and %d files at most: --artifact-max-size and --artifact-max-files cannot be more", operation.MaxArchiveBytes, operation.MaxArchiveFiles))
	if err := notify.CheckAddress(o.EventsAddress); err != nil {
		failures = append(failures, fmt.Errorf("--events-addr: %w", err))
	}
	refuse(o.IdleTimeout < 0, "the idle timeout cannot be negative")
	refuse(o.CancelGrace < 0, "the grace period of cancellations cannot be negative")
	if o.DestroyNamespace != "" {
		refuse(len(validation.IsDNS1123Label(o.DestroyNamespace)) > 0, fmt.Sprintf("--destroy-namespace: %q is not the name of a namespace", o.DestroyNamespace))
	}
	failures = append(failures, o.checkNamespaces()...)
	switch o.AgentImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		refuse(true, fmt.Sprintf("AGENT_IMAGE_PULL_POLICY %q is not Always, IfNotPresent or Never", o.AgentImagePullPolicy))
	}
	return errors.Join(failures...)
}
