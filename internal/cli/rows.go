package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// kind is one of the kinds that can be listed.
type kind struct {
	// names by which people ask for it.
	names   []string
	gvk     schema.GroupVersionKind
	list    func() client.ObjectList
	object  func() client.Object
	columns []column
	row     func(object client.Object, now time.Time) row
}

// kinds that can be listed; the first is meant where none is named.
func kinds() []kind {
	name, message := column{name: "NAME"}, column{name: "MESSAGE"}
	status := column{name: "STATE", painted: true}
	wide := func(name string) column { return column{name: name, wide: true} }
	return []kind{
		{
			names: []string{"stacks", "stack"}, gvk: pulumiv1.GroupVersion.WithKind("Stack"),
			list: func() client.ObjectList { return &pulumiv1.StackList{} }, object: func() client.Object { return &pulumiv1.Stack{} },
			columns: []column{name, status, {name: "LAST UPDATE"}, {name: "AGE"}, {name: "REVISION"}, {name: "SUSPENDED"},
				wide("STACK"), wide("RESOURCES"), wide("UPDATE"), wide("PERMALINK"), message},
			row: stackRow,
		},
		{
			names: []string{"updates", "update"}, gvk: autov1alpha1.GroupVersion.WithKind("Update"),
			list: func() client.ObjectList { return &autov1alpha1.UpdateList{} }, object: func() client.Object { return &autov1alpha1.Update{} },
			columns: []column{name, status, {name: "TYPE"}, {name: "WORKSPACE"}, {name: "TOOK"}, {name: "AGE"}, wide("STACK"), wide("CHANGES"), wide("PERMALINK"), message},
			row:     updateRow,
		},
		{
			names: []string{"workspaces", "workspace"}, gvk: autov1alpha1.GroupVersion.WithKind("Workspace"),
			list: func() client.ObjectList { return &autov1alpha1.WorkspaceList{} }, object: func() client.Object { return &autov1alpha1.Workspace{} },
			columns: []column{name, status, {name: "POD"}, {name: "PULUMI"}, {name: "AGE"}, wide("IMAGE"), wide("SERVICEACCOUNT"), message},
			row:     workspaceRow,
		},
		{
			names: []string{"programs", "program"}, gvk: pulumiv1.GroupVersion.WithKind("Program"),
			list: func() client.ObjectList { return &pulumiv1.ProgramList{} }, object: func() client.Object { return &pulumiv1.Program{} },
			columns: []column{name, status, {name: "AGE"}, wide("REVISION"), message},
			row:     programRow,
		},
	}
}

// kindOf is the kind of a name, nil if there is none.
func kindOf(name string) *kind {
	for _, k := range kinds() {
		if slices.Contains(k.names, strings.ToLower(name)) {
			return &k
		}
	}
	return nil
}

func stackRow(object client.Object, now time.Time) row {
	stack, ok := object.(*pulumiv1.Stack)
	if !ok {
		return row{}
	}
	s, last := stackState(stack), stack.Status.LastUpdate
	if last == nil {
		last = &pulumiv1.LastUpdate{}
	}
	resources := "-"
	if n := stack.Status.Resources; n != nil {
		resources = strconv.Itoa(int(*n))
	}
	return row{tone: s.tone, cells: []string{
		stack.Name, s.Word, firstOf(strings.TrimSpace(string(last.Type)+" "+string(last.State)), "-"), age(last.LastResyncTime.Time, now),
		shortened(last.LastAttemptedCommit), strconv.FormatBool(suspended(stack)),
		stack.Spec.Stack, resources, firstOf(last.Name, "-"), firstOf(last.Permalink, "-"), stated(s),
	}}
}

// stated is a state's message with its reason, where that says more than the word.
func stated(s state) string {
	if s.tone == good || s.Reason == "" {
		return s.Message
	}
	return s.Reason + ": " + s.Message
}

func updateRow(object client.Object, now time.Time) row {
	update, ok := object.(*autov1alpha1.Update)
	if !ok {
		return row{}
	}
	s := updateState(update)
	return row{tone: s.tone, cells: []string{
		update.Name, s.Word, string(update.Spec.Type), update.Spec.WorkspaceName, took(update, now), age(update.CreationTimestamp.Time, now),
		update.Spec.StackName, changes(update.Status.Changes), firstOf(update.Status.Permalink, "-"), stated(s),
	}}
}

// took is how long an operation took, or has taken until now.
func took(update *autov1alpha1.Update, now time.Time) string {
	if update.Status.StartTime == nil {
		return "-"
	}
	if end := update.Status.EndTime; end != nil {
		now = end.Time
	}
	return age(update.Status.StartTime.Time, now)
}

// changes lists what an operation did to how many resources.
func changes(counts map[string]int32) string {
	var parts []string
	for _, op := range sortedKeys(counts) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[op], op))
	}
	return firstOf(strings.Join(parts, ", "), "-")
}

func workspaceRow(object client.Object, now time.Time) row {
	workspace, ok := object.(*autov1alpha1.Workspace)
	if !ok {
		return row{}
	}
	s := workspaceState(workspace)
	return row{tone: s.tone, cells: []string{
		workspace.Name, s.Word, firstOf(workspace.Status.PodName, "-"), firstOf(workspace.Status.PulumiVersion, "-"),
		age(workspace.CreationTimestamp.Time, now), firstOf(workspace.Spec.Image, "-"), workspace.Spec.ServiceAccountName, stated(s),
	}}
}

func programRow(object client.Object, now time.Time) row {
	program, ok := object.(*pulumiv1.Program)
	if !ok {
		return row{}
	}
	s, revision := stateOf(program, program.Status.ObservedGeneration, program.Status.Conditions), ""
	if program.Status.Artifact != nil {
		revision = program.Status.Artifact.Revision
	}
	return row{tone: s.tone, cells: []string{program.Name, s.Word, age(program.CreationTimestamp.Time, now), shortened(revision), stated(s)}}
}
