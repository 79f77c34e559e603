package identity

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// claims are those of a token that may be why it is refused.
type claims struct {
	Audience audiences `json:"aud"`
	Expires  int64     `json:"exp"`
}

// audiences are one or several.
type audiences []string

// UnmarshalJSON takes both forms.
func (a *audiences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// flaw says what a token that the API server has refused says of itself, for the words alone: nothing of it is proven. It is
// empty where that tells nothing.
func flaw(token string, now time.Time) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ", as it is no token of a service account"
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ", as it is no token of a service account"
	}
	var said claims
	if err := json.Unmarshal(text, &said); err != nil {
		return ", as it is no token of a service account"
	}
	switch expires := time.Unix(said.Expires, 0); {
	case !slices.Contains(said.Audience, autov1alpha1.TokenAudience):
		return fmt.Sprintf(": it is for the audience %.200q, not %q", strings.Join(said.Audience, ", "), autov1alpha1.TokenAudience)
	case said.Expires > 0 && !now.Before(expires):
		return fmt.Sprintf(": it has expired, at %s", expires.UTC().Format(time.RFC3339))
	default:
		return ": it was revoked, or its pod or service account is gone, or another cluster made it"
	}
}
