package operator

import (
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/certificate"
	"github.com/gantry-operator/gantry/internal/metrics"
	gitclient "github.com/gantry-operator/gantry/internal/source/git/client"
	"github.com/gantry-operator/gantry/internal/webhook"
)

// webhookService is the Service by which git hosts, or what stands before the cluster, call the leader.
const webhookService = "gantry-webhook"

// servedNames are the names of the manager's certificate.
func servedNames(o Options) []string {
	names := certificate.Names(o.HubService, o.PodNamespace)
	if o.WebhookAddress != "" {
		names = append(names, certificate.Names(webhookService, o.PodNamespace)...)
	}
	return names
}

// newWebhooks makes what git hosts tell of pushes.
func newWebhooks(o Options, live client.Reader, keeper *certificate.Keeper, recorder *metrics.Recorder, poker webhook.Poker, log logr.Logger) *webhook.Server {
	secrets := &webhook.Secrets{
		Client: live, Clock: o.Clock, Log: log, Name: types.NamespacedName{Namespace: o.PodNamespace, Name: o.WebhookSecret},
	}
	return &webhook.Server{
		Receiver: webhook.NewReceiver(webhook.Config{
			Poker: poker, Key: repositoryKey, Secrets: secrets.Current, Record: recorder.WebhookReceived, Clock: o.Clock,
		}),
		Secrets: secrets, Address: o.WebhookAddress, TLS: keeper.TLS(),
	}
}

// repositoryKey is the identity of the repository at a URL, as followers know it.
func repositoryKey(text string) (string, bool) {
	url, err := gitclient.ParseURL(text)
	return url.Key(), err == nil
}
