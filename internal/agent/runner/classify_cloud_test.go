package runner

import (
	"os"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

func TestClassifyWhatPulumiCloudMakesTheCLISay(t *testing.T) {
	text, err := os.ReadFile("testdata/cloud-words.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), "|", 4)
		if strings.HasPrefix(line, "#") {
			continue
		}
		want := fields[2]
		if want == "-" {
			want = operation.ReasonFailed
		}
		if got := classify("error: "+fields[3]+"\n", operation.ReasonFailed); got != want {
			t.Errorf("%s %s: %q stands for %s, want %s", fields[0], fields[1], fields[3], got, want)
		}
	}
}
