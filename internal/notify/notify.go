// Package notify owns what Flux's notification controller is told of Stacks: the events that they have in Kubernetes, in its
// form, by HTTP. Nobody waits for it, and what it does not take is lost.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

const (
	// mostWaiting is how many events wait to be posted; what comes then is dropped.
	mostWaiting = 500
	// tries is how often an event is posted that is not taken.
	tries = 3
	// postWithin bounds a post.
	postWithin = 5 * time.Second
	// controllerName is who reports.
	controllerName = "gantry"
)

// Poster posts events.
type Poster struct {
	address, instance string
	now               clock.WithTicker
	log               logr.Logger
	client            *http.Client
	waiting           chan eventv1.Event
	// silent says that the last event was not taken, so that this is logged once and not for each.
	silent bool
}

// CheckAddress says what is wrong with the address of a notification controller. There need not be one.
func CheckAddress(address string) error {
	if address == "" {
		return nil
	}
	parsed, err := url.Parse(address)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || parsed.User != nil {
		return fmt.Errorf("%q is not a URL such as http://notification-controller.flux-system.svc.cluster.local./", address)
	}
	return nil
}

// New makes a Poster, which posts once it is started. instance is the name of the manager's pod.
func New(address, instance string, now clock.WithTicker, log logr.Logger) *Poster {
	return &Poster{
		address: address, instance: instance, now: now, log: log, waiting: make(chan eventv1.Event, mostWaiting),
		client: &http.Client{Timeout: postWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Post has an event of a Stack posted, and does not wait for that. kind, reason and note are those of the event in Kubernetes,
// revision is that of the source that it is about.
func (p *Poster) Post(stack *pulumiv1.Stack, kind, reason, note, revision string) {
	severity := eventv1.EventSeverityInfo
	if kind == corev1.EventTypeWarning {
		severity = eventv1.EventSeverityError
	}
	event := eventv1.Event{
		InvolvedObject: corev1.ObjectReference{
			APIVersion: pulumiv1.GroupVersion.String(), Kind: "Stack", Namespace: stack.Namespace, Name: stack.Name,
			UID: stack.UID, ResourceVersion: stack.ResourceVersion,
		},
		Severity: severity, Timestamp: metav1.NewTime(p.now.Now()), Message: conditions.BoundNote(note), Reason: reason,
		Metadata: metadata(stack, revision), ReportingController: controllerName, ReportingInstance: p.instance,
	}
	select {
	case p.waiting <- event:
	default:
		p.log.V(1).Info("An event is dropped, since too many wait to be posted", "namespace", stack.Namespace, "reason", reason)
	}
}

// Start posts until the context ends.
func (p *Poster) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-p.waiting:
			p.deliver(ctx, event)
		}
	}
}

// deliver posts one event, and again where that may help.
func (p *Poster) deliver(ctx context.Context, event eventv1.Event) {
	body, err := json.Marshal(event)
	if err != nil {
		p.log.Error(err, "An event cannot be encoded", "reason", event.Reason)
		return
	}
	for try := 1; ; try++ {
		again, err := p.post(ctx, body)
		if err == nil {
			p.silent = false
			return
		}
		if !again || try == tries || ctx.Err() != nil {
			if !p.silent {
				p.log.Error(err, "The notification controller does not take an event; others that it does not take go without a word")
			}
			p.silent = true
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-p.now.After(time.Duration(try) * time.Second):
		}
	}
}

// post posts once, and tells whether to try again if that failed. An event that was told of a moment ago is refused (429),
// which is well.
func (p *Poster) post(ctx context.Context, body []byte) (again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return true, err
	}
	if err := answer.Body.Close(); err != nil {
		return true, err
	}
	switch {
	case answer.StatusCode < http.StatusMultipleChoices, answer.StatusCode == http.StatusTooManyRequests:
		return false, nil
	default:
		return answer.StatusCode >= http.StatusInternalServerError, fmt.Errorf("it answers %s", answer.Status)
	}
}
