package main

import (
	"context"
	"fmt"
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// annotate asks for a run again and again within a second, while one is under way: one more has to follow, which answers
// the last request.
func annotate(ctx context.Context, s *story) error {
	stack := s.Stack(stackName)
	every := time.NewTicker(time.Second / time.Duration(s.times))
	defer every.Stop()
	for i := range s.times {
		s.request = fmt.Sprintf("request %d", i+1)
		if err := s.Annotate(ctx, stack, pulumiv1.AnnotationReconciliationRequest, &s.request); err != nil {
			return err
		}
		s.hit()
		<-every.C
	}
	return nil
}
