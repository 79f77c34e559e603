package operator

import (
	"context"
	"fmt"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Main is what a process does that is a manager: it logs as the options say, finds the API server and runs until ctx is
// done.
func Main(ctx context.Context, options Options) error {
	log := zap.New(zap.UseFlagOptions(&options.Zap))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	kubeconfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	return Run(ctx, options, kubeconfig, log)
}
