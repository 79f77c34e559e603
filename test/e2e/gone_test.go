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
	s.AwaitReady(stack)
	made := s.configMap("settings")
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), made))

	program := &pulumiv1.Program{}
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), program))
	s.Must(s.Client.Delete(s.Ctx, program))
	s.AwaitGone(program, "to be gone first")
	pod := s.Pod("gone")
	s.Must(s.Client.Delete(s.Ctx, pod))
	s.AwaitGone(pod, "to be gone with all that it had fetched")

	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(stack, "to be gone")
	s.AwaitGone(made, "to be destroyed with its Stack")
}
