package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// TraceID is the trace of the Update with a UID: the UID without its dashes, or a digest of one that is no UUID.
func TraceID(uid string) trace.TraceID {
	var id trace.TraceID
	if raw, err := hex.DecodeString(strings.ReplaceAll(uid, "-", "")); err == nil && len(raw) == len(id) {
		copy(id[:], raw)
	}
	if !id.IsValid() {
		digest := sha256.Sum256([]byte(uid))
		copy(id[:], digest[:])
	}
	return id
}

// spanID is the span with that name of the Update with that UID.
func spanID(uid, name string) trace.SpanID {
	var id trace.SpanID
	digest := sha256.Sum256([]byte(uid + "/" + name))
	copy(id[:], digest[:])
	return id
}

// identity says which span is about to begin.
type identity struct{ uid, name string }

// key is the key of the identity in a context.
type key struct{}

func named(ctx context.Context, uid, name string) context.Context {
	return context.WithValue(ctx, key{}, identity{uid, name})
}

// identities gives spans the identities that their contexts name.
type identities struct{}

// NewIDs are those of a span without a parent.
func (i identities) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	one := identityOf(ctx)
	return TraceID(one.uid), spanID(one.uid, one.name)
}

// NewSpanID is that of a span with a parent.
func (i identities) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	one := identityOf(ctx)
	return spanID(one.uid, one.name)
}

// identityOf is what named put into the context; nothing begins a span without.
func identityOf(ctx context.Context) identity {
	if one, ok := ctx.Value(key{}).(identity); ok {
		return one
	}
	return identity{}
}
