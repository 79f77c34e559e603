package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gantry-operator/gantry/internal/artifact"
)

// Names of what is told of the artifact store.
const (
	NameArtifacts         = "gantry_artifacts"
	NameArtifactBytes     = "gantry_artifact_store_bytes"
	NameArtifactLimit     = "gantry_artifact_store_limit_bytes"
	NameArtifactEvictions = "gantry_artifact_evictions_total"
)

// Artifacts tells of the artifact store. It reads what the store knows when it is asked.
type Artifacts struct {
	read                            func() artifact.Usage
	archives, bytes, limit, evicted *prometheus.Desc
}

// NewArtifacts makes an Artifacts.
func NewArtifacts(read func() artifact.Usage) *Artifacts {
	return &Artifacts{
		read:     read,
		archives: describe(NameArtifacts, "Number of archives in the artifact store."),
		bytes:    describe(NameArtifactBytes, "Bytes that the archives in the artifact store have together."),
		limit:    describe(NameArtifactLimit, "Bytes that the artifact store should have at most."),
		evicted:  describe(NameArtifactEvictions, "Number of archives that were evicted because nothing named or used them."),
	}
}

// Describe tells what there may be.
func (a *Artifacts) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{a.archives, a.bytes, a.limit, a.evicted} {
		ch <- desc
	}
}

// Collect tells what there is.
func (a *Artifacts) Collect(ch chan<- prometheus.Metric) {
	usage := a.read()
	ch <- gauge(a.archives, float64(usage.Archives))
	ch <- gauge(a.bytes, float64(usage.Bytes))
	ch <- gauge(a.limit, float64(usage.Bound))
	ch <- prometheus.MustNewConstMetric(a.evicted, prometheus.CounterValue, float64(usage.Evicted))
}
