package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// awaitPause is the time between two questions to an API server that does not answer.
const awaitPause = time.Second

// awaitAPI waits until the API server answers. A manager that ended instead would be started again later and later, and
// would come back minutes after the API server.
func awaitAPI(ctx context.Context, kubeconfig *rest.Config, now clock.WithTicker, log logr.Logger) error {
	asked, err := discovery.NewDiscoveryClientForConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	told := false
	for {
		answer := asked.RESTClient().Get().AbsPath("/version").Do(ctx)
		if err = answer.Error(); err == nil || refused(err) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the API server: %w", err)
		}
		if !told {
			log.Error(err, "The API server does not answer; waiting for it")
			told = true
		}
		timer := now.NewTimer(awaitPause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C():
		}
	}
}

// refused tells whether an error is the answer of a server that is at work.
func refused(err error) bool {
	status := apierrors.APIStatus(nil)
	return errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500
}
