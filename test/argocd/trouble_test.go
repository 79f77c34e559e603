package argocd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// failing is a program whose one resource cannot be made while fail is true.
func failing(fail string) string {
	return `
resources:
  disk:
    type: testing:index:Fail
    properties: {message: the disk is full, fail: ` + fail + `}
`
}

// onlyStack is an Application of one wave.
func (s *story) onlyStack() map[string]string {
	s.T.Helper()
	return map[string]string{"runner.yaml": runner(0), "stack.yaml": s.stackFile("app", "app", 0, `spec: {retryMaxBackoffDurationSeconds: 1}`)}
}

// brokenProgram: what is wrong is on the Application's object, and goes when it is mended.
func brokenProgram(s *story) {
	files := s.onlyStack()
	files["program.yaml"] = program("app", 0, failing("true"))
	a := s.deploy(foreground, files)
	a.until("to be Degraded", func(v view) bool { return v.Status.Health.Status == "Degraded" })
	a.tells("Stack", "app", "Degraded", "the disk is full")
	mended := a.commit(map[string]string{"program.yaml": program("app", 0, failing("false"))})
	a.untilDone(mended)
}

// lateProgram: a Program that comes with a later commit, or is missing for a while, fails no sync.
func lateProgram(s *story) {
	a := s.deploy(foreground, s.onlyStack())
	stack := s.Stack("app")
	a.throughout(failed, func() {
		a.until("to be synced", func(v view) bool { return v.Status.OperationState.Phase == "Succeeded" })
		a.tells("Stack", "app", "Progressing", `Program "app" is not there`)
		a.untilDone(a.commit(map[string]string{"program.yaml": program("app", 0, plain)}))
		s.stays(stack, 1)

		s.kubectl("delete", "program", "app")
		s.kubectl("annotate", "stack", "app", "pulumi.com/reconciliation-request=while-it-is-missing")
		s.untilRan(stack, 2)
		a.untilDone(a.repository.Git("rev-parse", "main"))

		without := a.commit(map[string]string{"program.yaml": ""})
		a.until("to be Synced without the Program", func(v view) bool { return v.Status.Sync.Status == "Synced" && v.Status.Sync.Revision == without })
		a.untilDone(a.commit(map[string]string{"program.yaml": program("app", 0, plain+"  more: 1\n")}))
		s.untilRan(stack, 3)
	})
}

// laterWave: a Program in a wave after its Stack's is waited for, and no sync fails.
func laterWave(s *story) {
	files := s.onlyStack()
	files["program.yaml"] = program("app", 1, plain)
	a := s.deploy(foreground, files)
	a.throughout(failed, func() {
		a.until("to wait for the Stack", func(v view) bool {
			return v.Status.OperationState.Phase == "Running" && strings.Contains(v.Status.OperationState.Message, "pulumi.com/Stack/app")
		})
		s.remains(a, 10*time.Second)
		s.Must(s.ApplyProgram(s.Ctx, "app", plain))
		a.untilDone(a.repository.Git("rev-parse", "main"))
	})
	s.stays(s.Stack("app"), 1)
}

// remains checks that an Application goes on waiting for its Stack, which is not there yet.
func (s *story) remains(a *application, during time.Duration) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.Ctx, during)
	defer cancel()
	stack := s.Stack("app")
	s.Must(s.Throughout(ctx, stack, func() error {
		if stage.Condition(stack.Status.Conditions, "Stalled").Status == "True" {
			return errors.New("the Stack is Stalled: " + stage.Condition(stack.Status.Conditions, "Stalled").Message)
		}
		return nil
	}))
	if phase := a.look().Status.OperationState.Phase; phase != "Running" {
		s.T.Fatalf("the sync is %s", phase)
	}
}
