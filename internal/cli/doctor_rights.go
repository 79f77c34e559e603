package cli

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/docs"
)

// right is a permission and what it is for.
type right struct{ verb, group, resource, subresource, purpose string }

// managersNeeds is what no manager works without.
func managersNeeds() []right {
	pulumi, auto := pulumiv1.GroupVersion.Group, autov1alpha1.GroupVersion.Group
	return []right{
		{"watch", pulumi, "stacks", "", "see Stacks"}, {"patch", pulumi, "stacks", "status", "record results"},
		{"create", auto, "workspaces", "", "make Workspaces"}, {"create", auto, "updates", "", "make Updates"},
		{"create", "", "pods", "", "start pods"}, {"get", "", "secrets", "", "read what Stacks name"}, {"create", "", "secrets", "", "write outputs"},
	}
}

// callersNeeds is what the plugin's commands take.
func callersNeeds() []right {
	pulumi, auto := pulumiv1.GroupVersion.Group, autov1alpha1.GroupVersion.Group
	return []right{
		{"list", pulumi, "stacks", "", "get, why"}, {"patch", pulumi, "stacks", "", "reconcile, cancel, suspend, resume"},
		{"create", auto, "updates", "", "preview, refresh"}, {"get", "", "pods", "log", "logs"},
		{"get", "", "secrets", "", "outputs --show-secrets"}, {"create", "", "pods", "exec", "tree --resources"},
	}
}

func (r right) attributes(namespace string) *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource}
}

// managersRights asks what the manager may do in the namespace that is looked at.
func (e *examination) managersRights(ctx context.Context) error {
	if e.account == "" {
		return nil
	}
	var missing []string
	subject := "manager's permissions"
	user := "system:serviceaccount:" + e.installed + ":" + e.account
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:" + e.installed, "system:authenticated"}
	for _, r := range managersNeeds() {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, Groups: groups, ResourceAttributes: r.attributes(e.namespace),
		}}
		if err := e.Create(ctx, review); err != nil {
			return e.unseen(subject, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, r.words())
		}
	}
	if len(missing) > 0 {
		e.add(stateFailed, subject, user+" may not, in the namespace "+e.namespace+": "+strings.Join(missing, "; "),
			"install Gantry's roles again; with --watch-namespaces, name this namespace there")
		return nil
	}
	e.add(stateOK, subject, user+" may do what it has to in the namespace "+e.namespace, "")
	return nil
}

// callersRights asks what the caller may do.
func (e *examination) callersRights(ctx context.Context) error {
	var missing []string
	for _, r := range callersNeeds() {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: r.attributes(e.namespace)}}
		if err := e.Create(ctx, review); err != nil {
			return e.unseen("your permissions", err)
		}
		if !review.Status.Allowed {
			missing = append(missing, r.words())
		}
	}
	if len(missing) > 0 {
		e.add(stateWarning, "your permissions", "in the namespace "+e.namespace+" you may not: "+strings.Join(missing, "; "), "ask for the ClusterRole view or edit if you need them")
		return nil
	}
	e.add(stateOK, "your permissions", "you may use every command in the namespace "+e.namespace, "")
	return nil
}

func (r right) words() string {
	resource := r.resource
	if r.subresource != "" {
		resource += "/" + r.subresource
	}
	return fmt.Sprintf("%s %s (%s)", r.verb, resource, r.purpose)
}

// stacks looks at all Stacks that the caller may see, and at Workspaces whose pods do not reach the hub.
func (e *examination) stacks(ctx context.Context) error {
	list, workspaces, everywhere := &pulumiv1.StackList{}, &autov1alpha1.WorkspaceList{}, client.InNamespace("")
	err := e.List(ctx, list, everywhere)
	if apierrors.IsForbidden(err) {
		everywhere = client.InNamespace(e.namespace)
		err = e.List(ctx, list, everywhere)
	}
	if err == nil {
		err = e.List(ctx, workspaces, everywhere)
	}
	if apierrors.IsNotFound(err) {
		return nil // that the kind is not there is said already
	}
	if err != nil {
		return e.unseen("stacks", err)
	}
	e.verdicts = append(e.verdicts, fleetVerdicts(readRunbook(docs.Runbook), list.Items, workspaces.Items)...)
	return nil
}

// fleetVerdicts say what is wrong with Stacks and Workspaces.
func fleetVerdicts(book runbook, stacks []pulumiv1.Stack, workspaces []autov1alpha1.Workspace) []verdict {
	var all []verdict
	for i := range stacks {
		s, subject := stackState(&stacks[i]), "Stack "+stacks[i].Namespace+"/"+stacks[i].Name
		if s.tone != bad {
			continue
		}
		line, _ := book.find("Stack", s.Type, s.Reason)
		kind := stateWarning
		if s.Word == "Stalled" {
			kind = stateFailed
		}
		all = append(all, verdict{subject, kind, s.Word + ": " + stated(s), line.Advice})
	}
	for i := range workspaces {
		s := workspaceState(&workspaces[i])
		if s.Reason != "AgentNotConnected" && s.Reason != "ConnectionFailed" {
			continue
		}
		line, _ := book.find("Workspace", s.Type, s.Reason)
		all = append(all, verdict{"Workspace " + workspaces[i].Namespace + "/" + workspaces[i].Name, stateFailed, stated(s), line.Advice})
	}
	return append(all, verdict{"stacks", map[bool]string{true: stateOK, false: stateWarning}[len(all) == 0],
		fmt.Sprintf("%d Stack(s) seen, %d of them or their Workspaces in trouble", len(stacks), len(all)), ""})
}
