package runner

import (
	"regexp"
	"strings"
)

// This file knows the words by which services, their clients and the network say that the same request may succeed later
// with nothing changed. They are whole phrases, error codes, or a status code where a status code stands: a 429 that is
// part of a name or a number says nothing. docs/design/README.md says how they are used.

// network is what clients say when a service cannot be reached, or the connection to it breaks.
var network = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`\bconnection refused\b`, `\bconnection reset\b`, `\bconnection timed out\b`, `\bbroken pipe\b`, `\bsocket hang up\b`,
	`\bconnect: operation timed out\b`, `\bi/o timeout\b`, `\btls handshake timeout\b`, `\bclient\.timeout exceeded\b`,
	`\bE(?:CONNREFUSED|CONNRESET|TIMEDOUT|SOCKETTIMEDOUT|HOSTUNREACH|NETUNREACH|AI_AGAIN|NOTFOUND)\b`, `\bERR_SOCKET_TIMEOUT\b`,
	`\bno such host\b`, `\bserver misbehaving\b`, `\btemporary failure in name resolution\b`, `\bname or service not known\b`,
	`\bcould not resolve host\b`, `\bUnknownHostException\b`, `\bno route to host\b`, `\bnetwork is unreachable\b`,
	`\bunexpected EOF(?:$|["'\n.,;:)\]])`, `\b(?:get|post|put|patch|delete|head) "https?://[^"]+": EOF\b`,
	`\bhttp2: client connection (?:lost|force closed)\b`, `\bserver sent GOAWAY\b`, `\bconnection aborted\b`,
	`\bremote end closed connection without response\b`, `\b(?:read|connect)TimeoutError\b`, `\bread timed out\b`,
	`\bNewConnectionError\b`, `\bmax retries exceeded with url\b`, `\bcontext deadline exceeded\b`,
}, "|"))

// socket is how a failed connection looks in the trace of a program, where bare words are anybody's.
var socket = regexp.MustCompile(`\b(?:connect|read|write|getaddrinfo) E[A-Z_]+\b|\bdial tcp\b|\bsocket\.gaierror\b|` +
	`\b(?:requests|urllib3|aiohttp|httpx)\.[\w.]*(?:Connect|Timeout|Resolution)\w*|\bjava\.net\.\w+Exception\b|\bSystem\.Net\.Sockets\.SocketException\b`)

// busy is what services say that are busy, or down behind their own front door.
var busy = regexp.MustCompile(`(?i)` + strings.Join([]string{
	// Status codes, where the clients of AWS, Google Cloud, Azure, Kubernetes and the package registries put them.
	`\b(?:status|status[ _]?code|http[ _]status(?: code)?|response[ _]code|error[ _]?code)["']?\s*[:=]?\s*["']?(?:429|500|502|503|504)\b`,
	`"code":\s*(?:429|500|502|503|504)\b`,
	`\bgoogleapi: (?:got HTTP response code|error) (?:429|500|502|503|504)\b`, `\bresponse (?:429|500|502|503|504)\b`,
	`\bhttp(?:/[\d.]+)?(?: error| status)?:? (?:429|500|502|503|504)\b`, `\b(?:429|500|502|503|504) (?:http|client|server) error\b`,
	`\brequested URL returned error: (?:429|500|502|503|504)\b`, `\bcode E(?:429|500|502|503|504)\b`,
	`(?:^|error: |\n)\s*\[(?:429|500|502|503|504)\]`,
	`\b(?:429:? too many requests|500:? internal server error|502:? bad gateway|503:? service (?:temporarily )?unavailable|504:? gateway time-?out)\b`,
	// Throttling.
	`\bthrottl(?:ing|ed)Exception\b`, `\bEC2ThrottledException\b`, `\bapi error throttling\b`, `\bthrottling: rate exceeded\b`, `\brate exceeded\b`,
	`\brequest(?:s)? (?:was|were|has been|have been|is being|are being) throttled\b`, `\b\w*requestsThrottled\b`, `\brequestThrottled(?:Exception)?\b`,
	`\brequestLimitExceeded\b`, `\bprovisionedThroughputExceeded(?:Exception)?\b`, `\bpriorRequestNotComplete\b`, `\bbandwidthLimitExceeded\b`,
	`\bapi error slowDown\b`, `\bslowDown: please reduce\b`, `\btooManyRequests(?:Exception|Error)?\b`, `\btoo many requests\b`,
	`\b(?:user)?rateLimitExceeded\b`, `\bRATE_LIMIT_EXCEEDED\b`, `\brate limit (?:was |has been )?(?:exceeded|reached)\b`,
	`\bexceeded a secondary rate limit\b`, `\breached your pull rate limit\b`,
	`\bquota exceeded for quota metric\b.*\bper (?:\d+ )?(?:second|minute|hour|day)`,
	// Services that say so in words of their own.
	`\bapi error (?:internal(?:failure|error|serverError|serverException|serviceError|serviceException)|serviceUnavailable(?:Exception|Error)?|unavailable|requestTimeout(?:Exception)?)\b`,
	`\bServerBusy\b`, `\bRetryableError\b`, `\bAnotherOperationInProgress\b`, `\boperationInProgress\b`, `\bresourceNotReady\b`,
	`\banother operation (?:was|is) (?:already )?in progress\b`, `\bconflicting conditional operation is currently in progress\b`,
	`\bcode = (?:Unavailable|ResourceExhausted|DeadlineExceeded)\b`,
	`\bthe server is currently unable to handle the request\b`, `\bthe server was unable to return a response in the time allotted\b`,
	`\bthe server has received too many requests\b`, `\bthe object has been modified; please apply your changes\b`,
	`\binternal error occurred: `, `\bno endpoints available for service\b`, `\bapiserver (?:is )?(?:not ready|shutting down)\b`,
	`\betcdserver: (?:leader changed|no leader|request timed out|too many requests)\b`, `\bclient rate limiter wait returned an error\b`,
}, "|"))

// lasting is what stays until a person does something, whatever stands beside it: the verdict of a webhook or a policy;
// a plugin that crashed, to which the engine then has no connection; and the address that is tried for want of a
// kubeconfig.
var lasting = regexp.MustCompile(`(?i)\bdenied the request\b|\bexceeded quota:|\bpolicy violation|` +
	`\bdesc = (?:error reading from server: EOF|transport is closing|connection closed before server preface)|` +
	`\berror while dialing:? dial tcp (?:127\.0\.0\.1|\[::1\]):\d+|//localhost:8080/`)

// capacity is a quota of things, which a person has to raise; rate makes it one of requests, which is there again later.
var (
	capacity = regexp.MustCompile(`(?i)\bquota\w*\W{0,2}(?:'[^']*'\W+)?exceeded|\bexceed\w*\W+(?:\w+\W+){0,6}quota|\b\w*(?:service|account|resource)\w*(?:quota|limit)exceeded\w*`)
	rate     = regexp.MustCompile(`(?i)\bper (?:\d+ )?(?:second|minute|hour|day)|\brate[ _]?limit`)
)

// raised is how the language hosts begin when the program itself failed; invoke is a provider's answer inside of that.
var (
	raised = regexp.MustCompile(`(?i)unhandled (?:exception|error)|\btraceback \(most recent call last\)|\brunning program .* failed\b|\bprogram failed\b|(?:^|\n)panic: `)
	invoke = regexp.MustCompile(`(?i)\binvocation of \S+ returned an error\b`)
)

// transient tells whether what one error says may pass by itself. Of several in one, all have to.
func transient(text string) bool {
	for _, part := range listed(text) {
		if !transientPart(part) {
			return false
		}
	}
	return true
}

// listed are the errors of a list, as providers that are made of Terraform's give it, or the one error that the text is.
func listed(text string) []string {
	if !strings.Contains(text, " errors occurred:") {
		return []string{text}
	}
	return strings.Split(text, "\n\t* ")[1:]
}

func transientPart(text string) bool {
	switch {
	case lasting.MatchString(text), capacity.MatchString(text) && !rate.MatchString(text):
		return false
	case raised.MatchString(text) && !invoke.MatchString(text):
		return socket.MatchString(text) && network.MatchString(text)
	default:
		return network.MatchString(text) || busy.MatchString(text)
	}
}
