package agent

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gantry-operator/gantry/internal/operation"
)

// However many results wait, the hub takes the Hello that has them all, and the newest keeps its outputs.
func TestAHelloIsNeverTooLarge(t *testing.T) {
	const taken = 16 << 20
	results := make([]*operation.Result, 10)
	for i := range results {
		results[i] = fitting(&operation.Result{
			Uid: fmt.Sprint(i), Message: "up succeeded",
			Outputs: map[string]*operation.Output{"large": {Json: make([]byte, 5<<20)}},
		})
	}
	hello := &operation.Hello{Finished: together(results)}
	if size := proto.Size(hello); size > taken {
		t.Errorf("the Hello has %d bytes", size)
	}
	for i, result := range hello.GetFinished() {
		kept := len(result.GetOutputs()) > 0
		if i == len(results)-1 && !kept {
			t.Error("the newest has lost its outputs")
		}
		if !kept && result.GetMessage() != "up succeeded"+unsent {
			t.Errorf("result %d does not say that its outputs are left out: %s", i, result.GetMessage())
		}
	}
}

// What is no text cannot be sent: it would end every session again.
func TestAResultIsText(t *testing.T) {
	result := fitting(&operation.Result{Message: "half a charact\xc3", Reason: "Odd\xff", Permalink: "https://\xff"})
	if _, err := proto.Marshal(result); err != nil {
		t.Error(err)
	}
}
