package e2e

import (
	"testing"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// TestDestroyWhenItsProgramIsGone deletes the Program first and the Stack second: what was applied last is kept, and a new
// pod gets it, so that even a destroy that runs the program needs nothing else.
func TestDestroyWhenItsProgramIsGone(t *testing.T) {
	t.Parallel()
	s := begin(t, "gone")
	s.mayManageConfigMaps()
	s.program("settings", settings)
	stack := s.stack("gone", "settings", onImage, `{spec: {destroyOnFinalize: true, runProgram: true}}`)
	s.untilReady(stack)
	made := s.configMap("settings")
	s.must(s.Client.Get(s.ctx, s.Key("settings"), made))

	program := &pulumiv1.Program{}
	s.must(s.Client.Get(s.ctx, s.Key("settings"), program))
	s.must(s.Client.Delete(s.ctx, program))
	s.untilGone(program, "to be gone first")
	pod := s.Pod("gone")
	s.must(s.Client.Delete(s.ctx, pod))
	s.untilGone(pod, "to be gone with all that it had fetched")

	s.must(s.Client.Delete(s.ctx, stack))
	s.untilGone(stack, "to be gone")
	s.untilGone(made, "to be destroyed with its Stack")
}
