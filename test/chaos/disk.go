package main

import (
	"context"
	"fmt"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// small gives the pod a disk of its own that is soon full.
const small = `{spec: {workspaceTemplate: {spec: {podTemplate: {spec: {volumes: [
  {name: state, persistentVolumeClaim: {claimName: state}}, {name: share, emptyDir: {medium: Memory, sizeLimit: 96Mi}}]}}}}}}`

// fillDisk fills the pod's disk while the operation is in the middle, which ends while nothing can be written.
func fillDisk(ctx context.Context, s *story) error {
	_, pod, err := s.underway(ctx, 0)
	if err != nil {
		return err
	}
	const fill = `cat /dev/zero > /share/filled 2>/dev/null; ! echo more > /share/more 2>/dev/null`
	if _, err := s.Exec(ctx, pod, stage.PulumiContainer, "sh", "-c", fill); err != nil {
		return fmt.Errorf("filling the disk: %w", err)
	}
	s.hit()
	return nil
}
