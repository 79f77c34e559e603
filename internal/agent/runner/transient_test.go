package runner

import (
	"context"
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

// TestWhatPasses holds what services, clients and the network say when the same may work later.
func TestWhatPasses(t *testing.T) {
	for name, text := range map[string]string{
		"AWSThrottlingV2":      "creating resource: operation error CloudControl: CreateResource, exceeded maximum number of attempts, 3, https response error StatusCode: 400, RequestID: 060a25fc-a581-408d-a9b2-ed8bc9e270f2, ThrottlingException: ",
		"AWSThrottlingV1":      "1 error occurred:\n\t* error reading API Gateway Deployment: Throttling: Rate exceeded\n\tstatus code: 400, request id: 14528fcb\n\n",
		"AWSCloudControl":      `operation DELETE failed with "Throttling": Too Many Requests (Service: ApiGateway, Status Code: 429, Request ID: 9649383f-8ebe-4073-8cac-100df7a113cb)`,
		"AWSRequestLimit":      "1 error occurred:\n\t* reading EC2 Instance (i-0): operation error EC2: DescribeInstances, https response error StatusCode: 503, RequestID: x, api error RequestLimitExceeded: Request limit exceeded.\n\n",
		"AWSSlowDown":          "putting S3 Bucket (logs) policy: operation error S3: PutBucketPolicy, https response error StatusCode: 503, RequestID: x, api error SlowDown: Please reduce your request rate.",
		"AWSInternal":          "creating IAM Role (x): operation error IAM: CreateRole, https response error StatusCode: 500, RequestID: x, api error ServiceFailure: unknown",
		"AWSCredentials":       `pulumi:providers:aws resource 'default_6_0_0' has a problem: unable to validate AWS credentials. Details: retrieving caller identity from STS: operation error STS: GetCallerIdentity, https response error StatusCode: 0, RequestID: , request send failed, Post "https://sts.eu-central-1.amazonaws.com/": dial tcp: lookup sts.eu-central-1.amazonaws.com on 10.96.0.10:53: no such host`,
		"AWSTwoThrottled":      "2 errors occurred:\n\t* reading A: ThrottlingException: Rate exceeded\n\tstatus code: 400\n\t* reading B: RequestLimitExceeded: Request limit exceeded.\n\n",
		"GCPPerMinute":         "1 error occurred:\n\t* Error creating Network: googleapi: Error 403: Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com' for consumer 'project_number:1'.\nDetails:\n[ { \"reason\": \"RATE_LIMIT_EXCEEDED\" } ]\n, rateLimitExceeded",
		"GCPTooMany":           "googleapi: Error 429: Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' of service 'sheets.googleapis.com'",
		"GCPUnavailable":       "1 error occurred:\n\t* Error when reading or editing Project Service: googleapi: Error 503: The service is currently unavailable., backendError\n\n",
		"GCPGRPC":              "error reading secret: rpc error: code = Unavailable desc = The service is currently unavailable.",
		"GCPAnotherOperation":  "Error, failed to create instance: googleapi: Error 409: Operation failed because another operation was already in progress. Try your request after the current operation is complete., operationInProgress",
		"AzureThrottled":       "autorest/azure: Service returned an error. Status=429 Code=\"SubscriptionRequestsThrottled\" Message=\"Number of requests for subscription exceeded\"",
		"AzureNative429":       "--------------------------------------------------------------------------------\nRESPONSE 429: 429 Too Many Requests\nERROR CODE: RetryableError\n--------------------------------------------------------------------------------\n",
		"Azure503":             "polling after CreateOrUpdate: RESPONSE 503: 503 Service Unavailable\nERROR CODE: ServerTimeout",
		"KubernetesTooMany":    "the server has received too many requests and has asked us to try again later (post deployments.apps)",
		"KubernetesDown":       "configured Kubernetes cluster is unreachable: unable to load schema information from the API server: the server is currently unable to handle the request",
		"KubernetesRefused":    `configured Kubernetes cluster is unreachable: unable to load schema information from the API server: Get "https://10.0.0.1:443/openapi/v2?timeout=32s": dial tcp 10.0.0.1:443: connect: connection refused`,
		"KubernetesLeader":     "update of resource urn:x failed: etcdserver: leader changed",
		"KubernetesWebhook":    `Internal error occurred: failed calling webhook "webhook.cert-manager.io": failed to call webhook: Post "https://cert-manager-webhook.cert-manager.svc:443/validate?timeout=30s": no endpoints available for service "cert-manager-webhook"`,
		"KubernetesConflict":   `Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to the latest version and try again`,
		"KubernetesHandshake":  `Get "https://kubernetes.default.svc/api/v1/namespaces/demo": net/http: TLS handshake timeout`,
		"KubernetesEOF":        `Get "https://kubernetes.default.svc/api/v1/namespaces/demo": unexpected EOF`,
		"KubernetesGone":       "http2: client connection lost",
		"KubernetesDeadline":   "client rate limiter Wait returned an error: context deadline exceeded",
		"DNS":                  `Get "https://api.datadoghq.com/api/v1/validate": dial tcp: lookup api.datadoghq.com on 10.96.0.10:53: read udp 10.1.1.1:42->10.96.0.10:53: i/o timeout`,
		"Reset":                "read tcp 10.1.1.1:4242->52.94.1.1:443: read: connection reset by peer",
		"GitHub":               "GET https://api.github.com/repos/o/r: 403 API rate limit exceeded for user ID 1. [rate reset in 12m1s]",
		"GitHubSecondary":      "POST https://api.github.com/orgs/o/repos: 403 You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
		"DockerHub":            "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading",
		"Cloud429":             "[429] Too Many Requests: slow down",
		"Cloud502":             "could not create stack: [502] <html><head><title>502 Bad Gateway</title></head></html>",
		"CloudUnreachable":     `getting user information: could not get user: Get "https://api.pulumi.com/api/user": dial tcp: lookup api.pulumi.com: no such host`,
		"BackendS3":            `read ".pulumi/meta.yaml": blob (key ".pulumi/meta.yaml") (code=Unknown): operation error S3: GetObject, exceeded maximum number of attempts, 3, https response error StatusCode: 0, RequestID: , HostID: , request send failed, Get "https://state.s3.eu-central-1.amazonaws.com/.pulumi/meta.yaml": dial tcp 52.219.1.1:443: i/o timeout`,
		"BackendGS":            `read ".pulumi/meta.yaml": blob (code=Unknown): googleapi: got HTTP response code 503 with body: Service Unavailable`,
		"BackendAzure":         "RESPONSE 503: 503 The server is busy.\nERROR CODE: ServerBusy",
		"PluginRateLimit":      "could not find latest version for provider docker-build: rate limit exceeded: 403 HTTP error fetching plugin from https://api.github.com/repos/pulumi/pulumi-docker-build/releases/latest",
		"Plugin503":            "resource plugin random-4.0.0 downloading from : failed to download plugin: random-4.0.0: 503 HTTP error fetching plugin from https://get.pulumi.com/releases/plugins/x.tar.gz",
		"NPM":                  "npm error code EAI_AGAIN\nnpm error syscall getaddrinfo\nnpm error errno EAI_AGAIN\nnpm error request to https://registry.npmjs.org/x failed, reason: getaddrinfo EAI_AGAIN registry.npmjs.org",
		"NPM503":               "npm ERR! code E503\nnpm ERR! 503 Service Unavailable - GET https://registry.npmjs.org/@pulumi%2fpulumi",
		"Yarn":                 `error An unexpected error occurred: "https://registry.yarnpkg.com/x: ESOCKETTIMEDOUT".`,
		"Pip":                  "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<urllib3.connection.HTTPSConnection object>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/pulumi/\nERROR: Could not find a version that satisfies the requirement pulumi (from versions: none)",
		"Pip503":               "ERROR: HTTP error 503 while getting https://files.pythonhosted.org/packages/x.whl",
		"Go":                   `go: example.com/x@v1.0.0: Get "https://proxy.golang.org/example.com/x/@v/v1.0.0.mod": dial tcp: lookup proxy.golang.org: no such host`,
		"Go503":                "go: example.com/x@v1.0.0: reading https://proxy.golang.org/example.com/x/@v/v1.0.0.mod: 503 Service Unavailable",
		"InvokeInANodeProgram": "Running program '/share/workspace' failed with an unhandled exception:\nError: Invocation of aws:ec2/getAmi:getAmi returned an error: invoking aws:ec2/getAmi:getAmi: 1 error occurred:\n\t* api error RequestLimitExceeded: Request limit exceeded.\n    at Object.callback (/x/invoke.ts:1)",
		"SocketInANodeProgram": "Running program '/share/workspace' failed with an unhandled exception:\nFetchError: request to https://example.com/ failed, reason: connect ECONNREFUSED 93.184.216.34:443",
		"SocketInPython":       "Program failed with an unhandled exception:\nTraceback (most recent call last):\n  File \"x\", line 1\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='example.com', port=443): Max retries exceeded with url: /",
	} {
		t.Run(name, func(t *testing.T) {
			if !transient(text) {
				t.Errorf("taken for something that lasts: %s", text)
			}
		})
	}
}

// TestWhatLasts holds what stays until a person does something, with words in it that only look like the others.
func TestWhatLasts(t *testing.T) {
	for name, text := range map[string]string{
		"GCPCapacity":         "1 error occurred:\n\t* Error creating instance: googleapi: Error 403: Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1., quotaExceeded",
		"GCPCapacity429":      "googleapi: Error 429: Quota limit 'GPUS-ALL-REGIONS' has been exceeded. Limit: 0 globally.: Quota 'GPUS_ALL_REGIONS' exceeded",
		"AWSCapacity":         "creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 400, RequestID: x, api error VpcLimitExceeded: The maximum number of VPCs has been reached.",
		"AWSServiceQuota":     "https response error StatusCode: 429, RequestID: x, ServiceQuotaExceededException: you have exceeded your service quota for scheduling rules",
		"AzureCapacity":       `Status=409 Code="QuotaExceeded" Message="Operation could not be completed as it results in exceeding approved Total Regional Cores quota."`,
		"KubernetesQuota":     `pods "web-0" is forbidden: exceeded quota: compute, requested: requests.cpu=2, used: requests.cpu=3, limited: requests.cpu=4`,
		"Billing":             "429 Too Many Requests: You exceeded your current quota, please check your plan and billing details",
		"Forbidden":           `namespaces is forbidden: User "system:serviceaccount:demo:default" cannot create resource "namespaces" in API group "" at the cluster scope`,
		"AccessDenied":        "creating S3 Bucket (429-logs): operation error S3: CreateBucket, https response error StatusCode: 403, RequestID: 429500503, api error AccessDenied: Access Denied",
		"NumbersInNames":      `resource "svc-503" has the port 502, the timeout 504 and the account 429500502503`,
		"Validation":          "aws:apigateway/usagePlan:UsagePlan resource 'plan' has a problem: expected throttleSettings.0.rate_limit to be a float; throttlingBurstLimit 429 is not valid",
		"WordInAField":        `invalid value "TooManyRequestsPage" for the field errorPages.429: no such page`,
		"Webhook":             `admission webhook "policy.example.com" denied the request: replicas: 503 Service Unavailable pages are not allowed`,
		"PolicyInWords":       "Policy Violations:\n    [mandatory] pack v1 (demo) retry: a retry on 429 Too Many Requests is needed",
		"NotLive":             "resource default/web was successfully created, but the Kubernetes API server reported that it failed to fully initialize or become live: Resource operation timed out for web",
		"Waiting":             "timeout while waiting for state to become 'available' (last state: 'creating', timeout: 40m0s)",
		"Exists":              "googleapi: Error 409: The resource 'projects/p/global/networks/n' already exists, alreadyExists",
		"Plugin404":           "404 HTTP error fetching plugin from https://api.github.com/repos/pulumi/pulumi-nope/releases/latest",
		"PluginCrash":         "rpc error: code = Unavailable desc = error reading from server: EOF",
		"PluginGone":          `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:40123: connect: connection refused"`,
		"NoKubeconfig":        `Get "http://localhost:8080/api?timeout=32s": dial tcp 127.0.0.1:8080: connect: connection refused`,
		"TypeError":           "Running program '/share/workspace' failed with an unhandled exception:\nTypeError: Cannot read properties of undefined (reading 'TooManyRequestsException')\n    at Object.<anonymous> (/share/workspace/index.ts:429:500)",
		"ThrownByTheProgram":  "Running program '/share/workspace' failed with an unhandled exception:\nError: expected status code 503 to be handled",
		"PythonSyntax":        "SyntaxError: unexpected EOF while parsing",
		"PythonProgram":       "Program failed with an unhandled exception:\nTraceback (most recent call last):\n  File \"__main__.py\", line 504, in <module>\nValueError: too many requests configured",
		"GoProgram":           "an unhandled error occurred: program failed:\nno such host is configured for this environment",
		"NPM404":              "npm error code E404\nnpm error 404 Not Found - GET https://registry.npmjs.org/@acme%2fnope - Not found",
		"NPMResolve":          "npm ERR! code ERESOLVE\nnpm ERR! ERESOLVE unable to resolve dependency tree",
		"PipVersion":          "ERROR: Could not find a version that satisfies the requirement pulumi==503.0.0 (from versions: 3.0.0)\nERROR: No matching distribution found for pulumi==503.0.0",
		"GoBuild":             "# example.com/x\n./main.go:503:12: undefined: fmt.Printlnn",
		"NoStack":             "no stack named 'dev' found",
		"Passphrase":          "incorrect passphrase",
		"OneOfTwo":            "2 errors occurred:\n\t* reading A: ThrottlingException: Rate exceeded\n\t* creating B: InvalidParameterValue: the size 429 is not valid\n\n",
		"InvokeWithBadInputs": "Running program '/x' failed with an unhandled exception:\nError: Invocation of aws:ec2/getAmi:getAmi returned an error: InvalidAMIID.Malformed: Invalid id: \"ami-429\"",
	} {
		t.Run(name, func(t *testing.T) {
			if transient(text) {
				t.Errorf("taken for something that passes: %s", text)
			}
		})
	}
}

// TestReasonOfAFailure says what becomes of errors that come together, and of those of the steps before the operation.
func TestReasonOfAFailure(t *testing.T) {
	const (
		throttled = "error: ThrottlingException: Rate exceeded"
		refused   = "error: access denied"
		queue     = "urn:pulumi:dev::demo::aws:sqs/queue:Queue::jobs"
	)
	policy := apitype.EngineEvent{PolicyEvent: &apitype.PolicyEvent{
		ResourceURN: bucket, Message: "503 Service Unavailable", PolicyName: "p", PolicyPackName: "pack", EnforcementLevel: "mandatory",
	}}
	process := func(command, stderr, stdout string) error {
		return &processError{command: command, ending: cli.Ending{Code: 255, Stderr: stderr, Stdout: stdout}}
	}
	cases := map[string]struct {
		reason string
		events []apitype.EngineEvent
		step   string
		err    error
		want   string
	}{
		"Transient": {
			reason: "noise and what only follows from the cause do not count",
			events: []apitype.EngineEvent{
				diagnostic(bucket, throttled), diagnostic(whole, "update failed"), diagnostic("", "resource monitor shut down while waiting on step's done channel"),
			},
			want: operation.ReasonTransient,
		},
		"Told": {
			reason: "nor does what the program says when it goes on without the resource",
			events: []apitype.EngineEvent{
				diagnostic(bucket, throttled), diagnostic(whole, "an unhandled error occurred: waiting for RPCs: resource logs [aws:s3/bucket:Bucket] failed to register"),
			},
			want: operation.ReasonTransient,
		},
		"TwoTransient": {reason: "all have to pass", events: []apitype.EngineEvent{diagnostic(bucket, throttled), diagnostic(queue, "i/o timeout")}, want: operation.ReasonTransient},
		"Mixed":        {reason: "what lasts wins", events: []apitype.EngineEvent{diagnostic(bucket, throttled), diagnostic(queue, refused)}, want: operation.ReasonFailed},
		"Policy":       {reason: "a policy's verdict lasts, whatever its words", events: []apitype.EngineEvent{policy}, want: operation.ReasonFailed},
		"PolicyBeside": {reason: "and wins too", events: []apitype.EngineEvent{diagnostic(bucket, throttled), policy}, want: operation.ReasonFailed},
		"OnlyTheCLI":   {reason: "where the engine said nothing the CLI's words count", err: process("up", "error: [503] Service Unavailable", ""), want: operation.ReasonTransient},
		"Silence":      {reason: "no words are no sign of anything", err: process("up", "", ""), want: operation.ReasonFailed},
		"Conflict":     {reason: "a lock has its own reason", err: process("up", "error: [409] Conflict: Another update is currently in progress.", ""), want: operation.ReasonConflict},
		"Backend": {
			reason: "a backend out of reach", step: operation.ReasonInitializationFailed,
			err:  process("stack select", `error: read ".pulumi/meta.yaml": dial tcp 10.0.0.9:9000: connect: connection refused`, ""),
			want: operation.ReasonTransient,
		},
		"NoStack": {
			reason: "a stack that is not there", step: operation.ReasonInitializationFailed,
			err: process("stack select", "error: no stack named 'dev' found", ""), want: operation.ReasonInitializationFailed,
		},
		"Registry": {
			reason: "a registry out of reach, of which only standard output tells", step: operation.ReasonInstallationFailed,
			err: process(installing, "error: installing dependencies failed", "npm error code EAI_AGAIN"), want: operation.ReasonTransient,
		},
		"NoPackage": {
			reason: "a package that does not exist", step: operation.ReasonInstallationFailed,
			err: process(installing, "error: installing dependencies failed", "npm error code E404"), want: operation.ReasonInstallationFailed,
		},
		"Source":   {reason: "a source has its own reason, which is retried for ever too", step: operation.ReasonSourceFailed, err: errors.New("i/o timeout"), want: operation.ReasonSourceFailed},
		"Settings": {reason: "the agent's own errors are of the spec", step: operation.ReasonInitializationFailed, err: errors.New("config key 503 Service Unavailable"), want: operation.ReasonInitializationFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			run := &run{tracker: engine.NewTracker()}
			f := failure{reason: tc.step, err: tc.err}
			if tc.step == "" {
				f.reason, run.ending = operation.ReasonFailed, cli.Ending{Code: 255}
			}
			if f.err == nil {
				f.err = process("up", "error: update failed", "")
			}
			for _, event := range tc.events {
				run.tracker.Apply(event)
			}
			result := &operation.Result{}
			fail(context.Background(), result, run, f)
			if result.GetReason() != tc.want {
				t.Errorf("%s: the reason is %s, want %s; the message is %q", tc.reason, result.GetReason(), tc.want, result.GetMessage())
			}
		})
	}
}
