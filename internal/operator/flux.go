package operator

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/notify"
	"github.com/gantry-operator/gantry/internal/source/flux"
)

// fluxWithin is how long getting an artifact may take.
const fluxWithin = 5 * time.Minute

// newFlux makes what follows Flux sources.
func newFlux(mgr ctrl.Manager, o Options, store *artifact.Store, now clock.WithTicker) (*flux.Follower, error) {
	all, err := dynamic.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make a client of any kind: %w", err)
	}
	fetcher := flux.NewFetcher(fluxLimits(o), o.FluxHost)
	return &flux.Follower{
		Sources:   flux.NewSources(all, mgr.GetRESTMapper()),
		Artifacts: flux.NewTracker(fetcher, store, now, mgr.GetLogger().WithName("flux"), filepath.Join(o.ArtifactDir, "flux")),
	}, nil
}

// notifier tells Flux's notification controller of events, if there is an address to tell.
type notifier struct{ poster *notify.Poster }

func newNotifier(o Options, log logr.Logger) notifier {
	if o.EventsAddress == "" {
		return notifier{}
	}
	return notifier{notify.New(o.EventsAddress, o.PodName, o.Clock, log.WithName("notify"))}
}

// runnables are what has to run for it.
func (n notifier) runnables() []manager.Runnable {
	if n.poster == nil {
		return nil
	}
	return []manager.Runnable{n.poster}
}

// fluxLimits are those of an artifact: what the store takes, unless less is asked for.
func fluxLimits(o Options) flux.Limits {
	limits := flux.Limits{Bytes: o.ArtifactMaxSize.Value(), Files: o.ArtifactMaxFiles, Within: fluxWithin}
	if own := o.FluxMaxUntarSize; own > 0 {
		limits.Bytes = min(limits.Bytes, own)
	}
	return limits
}
