package references

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/pod"
)

// Absent stands in for the digest of an object that does not exist.
const Absent = "absent"

// digestLength is how many bytes of a digest are shown: enough that no two contents are taken for the same.
const digestLength = 16

// content is what is remembered of an object's content: a keyed digest for each key, which says nothing of the value to
// who does not have the manager's key. nil is the content of an object that does not exist.
type content map[string][sha256.Size]byte

// contentOf digests an object.
func contentOf(key []byte, object client.Object) content {
	kind, values := valuesOf(object)
	digests := content{}
	for name, value := range values {
		// The same value has another digest in another place, so that digests do not tell which values are the same.
		digests[name] = sum(key, []byte(kind), []byte(object.GetNamespace()), []byte(object.GetName()), []byte(name), value)
	}
	return digests
}

func valuesOf(object client.Object) (kind string, values map[string][]byte) {
	switch o := object.(type) {
	case *corev1.Secret:
		return pod.KindSecret, o.Data
	case *corev1.ConfigMap:
		values = maps.Clone(o.BinaryData)
		if values == nil {
			values = map[string][]byte{}
		}
		for name, value := range o.Data {
			values[name] = []byte(value)
		}
		return pod.KindConfigMap, values
	}
	return "", nil
}

// digest sums up of the content what an input takes of it, and tells whether something is missing without which the pod
// does not start.
func (c content) digest(key []byte, input pod.Input) (digest string, missing bool) {
	if c == nil {
		return Absent, input.Required
	}
	names := slices.Sorted(maps.Keys(input.Keys))
	for _, name := range names {
		_, there := c[name]
		missing = missing || (input.Keys[name] && !there)
	}
	if input.Whole {
		names = slices.Sorted(maps.Keys(c))
	}
	parts := make([][]byte, 0, 2*len(names))
	for _, name := range names {
		of, there := c[name]
		part := of[:]
		if !there {
			part = nil
		}
		parts = append(parts, []byte(name), part)
	}
	all := sum(key, parts...)
	return hex.EncodeToString(all[:digestLength]), missing
}

// sum is the keyed digest of parts, each of which counts with its length.
func sum(key []byte, parts ...[]byte) (result [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write(part)
	}
	copy(result[:], mac.Sum(nil))
	return result
}
