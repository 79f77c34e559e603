package certificate

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	names = Names("gantry-hub", "gantry-system")
	start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

const day = 24 * time.Hour

// fresh is the material of a new installation.
func fresh(t *testing.T) material {
	t.Helper()
	m, changed, err := renew(material{}, names, start)
	if err != nil || !changed {
		t.Fatalf("renew of nothing: changed %v, error %v", changed, err)
	}
	return m
}

// trusted tells whether somebody who has the given authorities only takes the serving certificate at that time.
func trusted(m material, authorities []pair, now time.Time) bool {
	roots := x509.NewCertPool()
	for _, authority := range authorities {
		roots.AddCert(authority.cert)
	}
	_, err := m.serving.cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: "gantry-hub.gantry-system.svc"})
	return err == nil
}

func TestRenew(t *testing.T) {
	type want struct {
		Changed     bool
		Authorities int
		NewServing  bool
		OldTrusts   bool
	}
	cases := map[string]struct {
		reason string
		after  time.Duration
		names  []string
		want   want
	}{
		"Young":            {"nothing is due", 30 * day, names, want{false, 1, false, true}},
		"ServingAlmostDue": {"two thirds of 90 days are not over", 59 * day, names, want{false, 1, false, true}},
		"ServingDue":       {"two thirds are over", 61 * day, names, want{true, 1, true, true}},
		"ServingExpired":   {"the manager was off for long", 100 * day, names, want{true, 1, true, true}},
		"OtherNames":       {"the Service has another name now", day, []string{"other"}, want{true, 1, true, false}},
		"AuthorityDue":     {"a new authority is trusted, the old one still signs", 2500 * day, names, want{true, 2, true, true}},
		"AuthorityEnding":  {"the old authority does not outlive what it would sign", 3600 * day, names, want{true, 2, true, false}},
		"AuthorityOver":    {"all starts anew", 3651 * day, names, want{true, 1, true, false}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			old, now := fresh(t), start.Add(tc.after)
			m, changed, err := renew(old, tc.names, now)
			if err != nil {
				t.Fatal(err)
			}
			got := want{changed, len(m.authorities), m.serving.cert != old.serving.cert, trusted(m, old.authorities, now)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if _, again, err := renew(m, tc.names, now); again || err != nil {
				t.Errorf("a second renewal at the same time: changed %v, error %v", again, err)
			}
		})
	}
}

// TestRenewForYears looks every day for 25 years, and expects that a pod that was made up to a year ago always trusts
// what is served.
func TestRenewForYears(t *testing.T) {
	m := fresh(t)
	bundles := make([][]pair, 0, 25*365)
	made := 1
	for d := range 25 * 365 {
		now := start.Add(time.Duration(d) * day)
		before := m.authorities[len(m.authorities)-1].cert
		var err error
		if m, _, err = renew(m, names, now); err != nil {
			t.Fatal(err)
		}
		if m.authorities[len(m.authorities)-1].cert != before {
			made++
		}
		bundles = append(bundles, m.authorities)
		if old := max(0, d-365); !trusted(m, bundles[old], now) {
			t.Fatalf("day %d: a pod of day %d does not trust the manager", d, old)
		}
	}
	if made != 4 {
		t.Errorf("%d authorities were made in 25 years, want one each 6 2/3 years: 4", made)
	}
}

func TestDecode(t *testing.T) {
	good, err := encode(fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	other, err := encode(fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	with := func(key string, value []byte) map[string][]byte {
		data := map[string][]byte{}
		for k, v := range good {
			data[k] = v
		}
		data[key] = value
		return data
	}
	cases := map[string]struct {
		data map[string][]byte
		ok   bool
	}{
		"Good":              {good, true},
		"Empty":             {nil, false},
		"NoKey":             {with(keyServingKey, nil), false},
		"NotPEM":            {with(keyServingCert, []byte("garbage")), false},
		"KeyOfAnother":      {with(keyServingKey, other[keyServingKey]), false},
		"AuthorityKeyOther": {with(keyAuthorityKeys, other[keyAuthorityKeys]), false},
		"TwoServing":        {with(keyServingCert, append(append([]byte{}, good[keyServingCert]...), good[keyServingCert]...)), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := decode(tc.data)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v, want ok %v", err, tc.ok)
			}
			if err != nil {
				return
			}
			again, err := encode(m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.data, again); diff != "" {
				t.Error(diff)
			}
		})
	}
}
