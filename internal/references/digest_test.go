package references

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/pod"
)

func secretOf(name string, values ...string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: map[string][]byte{}}
	for i := 0; i < len(values); i += 2 {
		secret.Data[values[i]] = []byte(values[i+1])
	}
	return secret
}

func whole() pod.Input { return pod.Input{Required: true, Whole: true} }

func only(key string) pod.Input { return pod.Input{Required: true, Keys: map[string]bool{key: true}} }

func perhaps(key string) pod.Input { return pod.Input{Keys: map[string]bool{key: false}} }

func TestDigest(t *testing.T) {
	key, base := []byte("key"), secretOf("s", "a", "1", "b", "2")
	cases := map[string]struct {
		reason string
		object client.Object
		input  pod.Input
		same   bool // as that of base
	}{
		"Same":          {"a copy has the same digest", secretOf("s", "b", "2", "a", "1"), only("a"), true},
		"SameWhole":     {"as a whole too", secretOf("s", "b", "2", "a", "1"), whole(), true},
		"Value":         {"another value has another digest", secretOf("s", "a", "2", "b", "2"), only("a"), false},
		"ValueWhole":    {"as a whole too", secretOf("s", "a", "2", "b", "2"), whole(), false},
		"OtherKey":      {"a key that is not used does not count", secretOf("s", "a", "1", "b", "3"), only("a"), true},
		"NewKey":        {"nor does a new one", secretOf("s", "a", "1", "b", "2", "c", "3"), only("a"), true},
		"NewKeyWhole":   {"but as a whole", secretOf("s", "a", "1", "b", "2", "c", "3"), whole(), false},
		"KeyGone":       {"a key that is gone counts", secretOf("s", "b", "2"), perhaps("a"), false},
		"KeyGoneWhole":  {"as a whole too", secretOf("s", "b", "2"), whole(), false},
		"KeyEmpty":      {"an empty value is not an absent one", secretOf("s", "a", "", "b", "2"), perhaps("a"), false},
		"Swapped":       {"values that change places count", secretOf("s", "a", "2", "b", "1"), whole(), false},
		"Shifted":       {"the border of key and value counts", secretOf("s", "a1", "", "b", "2"), whole(), false},
		"OtherObject":   {"digests do not tell that two Secrets have the same value", secretOf("t", "a", "1", "b", "2"), only("a"), false},
		"OtherKind":     {"nor a Secret and a ConfigMap", &corev1.ConfigMap{ObjectMeta: base.ObjectMeta, Data: map[string]string{"a": "1"}}, only("a"), false},
		"MetadataAlone": {"a label does not count", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Labels: map[string]string{"l": "1"}}, Data: base.Data}, whole(), true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want, _ := contentOf(key, base).digest(key, tc.input)
			got, _ := contentOf(key, tc.object).digest(key, tc.input)
			if (got == want) != tc.same {
				t.Errorf("%s: %s and %s", tc.reason, want, got)
			}
		})
	}
}

func TestDigestOfAConfigMap(t *testing.T) {
	of := func(text, binary string) string {
		object := &corev1.ConfigMap{Data: map[string]string{"t": text}, BinaryData: map[string][]byte{"b": []byte(binary)}}
		digest, _ := contentOf([]byte("key"), object).digest([]byte("key"), whole())
		return digest
	}
	if of("1", "1") == of("2", "1") || of("1", "1") == of("1", "2") {
		t.Error("text or binary values do not count")
	}
}

func TestDigestSaysWhatIsMissing(t *testing.T) {
	key := []byte("key")
	there := contentOf(key, secretOf("s", "a", "1"))
	cases := map[string]struct {
		content content
		input   pod.Input
		missing bool
		absent  bool
	}{
		"There":          {there, only("a"), false, false},
		"Key":            {there, only("b"), true, false},
		"OptionalKey":    {there, perhaps("b"), false, false},
		"Object":         {nil, only("a"), true, true},
		"WholeObject":    {nil, whole(), true, true},
		"OptionalObject": {nil, perhaps("a"), false, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			digest, missing := tc.content.digest(key, tc.input)
			if missing != tc.missing || (digest == Absent) != tc.absent {
				t.Errorf("digest %q, missing %t; want missing %t, absent %t", digest, missing, tc.missing, tc.absent)
			}
		})
	}
}

// Whoever reads a digest must not be able to try values out: it depends on a key that only the manager has.
func TestDigestNeedsTheKey(t *testing.T) {
	secret := secretOf("s", "pin", "1234")
	one, _ := contentOf([]byte("one"), secret).digest([]byte("one"), only("pin"))
	other, _ := contentOf([]byte("other"), secret).digest([]byte("other"), only("pin"))
	if one == other {
		t.Error("the digest does not depend on the key")
	}
	plain := sha256.Sum256([]byte("1234"))
	if strings.Contains(hex.EncodeToString(plain[:]), one[:8]) || strings.Contains(one, "1234") {
		t.Errorf("the digest %s tells of the value", one)
	}
}
