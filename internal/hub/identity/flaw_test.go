package identity

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	clocktesting "k8s.io/utils/clock/testing"
)

// What the API server refuses without a word is told apart by what the token says of itself.
func TestARefusedTokenSaysWhatIsWrongWithIt(t *testing.T) {
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2VjcmV0"
	}
	cases := map[string]struct{ token, says string }{
		"OtherAudience":   {jwt(`{"aud":["https://kubernetes.default.svc"],"exp":2000}`), `it is for the audience "https://kubernetes.default.svc", not "gantry"`},
		"OneAudience":     {jwt(`{"aud":"vault","exp":2000}`), `it is for the audience "vault", not "gantry"`},
		"NoAudience":      {jwt(`{"exp":2000}`), `it is for the audience "", not "gantry"`},
		"Expired":         {jwt(`{"aud":["gantry"],"exp":1000}`), "it has expired, at 1970-01-01T00:16:40Z"},
		"Revoked":         {jwt(`{"aud":["gantry"],"exp":2000}`), "it was revoked, or its pod or service account is gone"},
		"LongAudience":    {jwt(`{"aud":"` + strings.Repeat("x", 5000) + `"}`), "xxx"},
		"NotJSON":         {jwt(`{`), "no token of a service account"},
		"NotBase64":       {"a.!.c", "no token of a service account"},
		"NotEvenInParts":  {"secret", "no token of a service account"},
		"AudienceOfOther": {jwt(`{"aud":7}`), "no token of a service account"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := New(&reviewer{token: tc.token, status: authenticationv1.TokenReviewStatus{Error: "no"}}, &pods{}, clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
			_, err := a.Authenticate(t.Context(), tc.token)
			if !errors.Is(err, ErrUnauthenticated) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want …%s…", err, tc.says)
			}
			if err != nil && (len(err.Error()) > 500 || strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(err.Error(), "secret")) {
				t.Errorf("that shows too much: %v", err)
			}
		})
	}
}
