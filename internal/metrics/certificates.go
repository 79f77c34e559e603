package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NameCertificateExpiry is the name of the gauge of when certificates end.
const NameCertificateExpiry = "gantry_certificate_expiry_timestamp_seconds"

// Certificates tells when those end that agents, git hosts and Prometheus are served with. It asks when it is asked.
type Certificates struct {
	ends   func() (serving, authority time.Time)
	expiry *prometheus.Desc
}

// NewCertificates makes a Certificates. ends tells when the serving certificate ends, and when the newest authority does;
// zero where there is none yet.
func NewCertificates(ends func() (serving, authority time.Time)) *Certificates {
	return &Certificates{
		ends:   ends,
		expiry: describe(NameCertificateExpiry, "When the certificate of the hub ends, in seconds since 1970.", labelCertificate),
	}
}

// Describe tells what there may be.
func (c *Certificates) Describe(ch chan<- *prometheus.Desc) { ch <- c.expiry }

// Collect tells what there is.
func (c *Certificates) Collect(ch chan<- prometheus.Metric) {
	serving, authority := c.ends()
	for name, end := range map[string]time.Time{"serving": serving, "authority": authority} {
		if !end.IsZero() {
			ch <- gauge(c.expiry, float64(end.Unix()), name)
		}
	}
}
