package flux_test

import (
	"github.com/gantry-operator/gantry/internal/controller/stack"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/internal/artifact"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"github.com/fluxcd/pkg/ssa"
	"github.com/gantry-operator/gantry/test/doubles/fluxsource"
)
var _ = stack.Reconciler{}
var _ = flux.NewTracker
var _ = artifact.NewStore
var _ = envtest.Environment{}
var _ = ssa.DefaultApplyOptions
var _ = fluxsource.New
