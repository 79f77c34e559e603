package e2e

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Field managers and names of the Pulumi Kubernetes Operator (PKO) 2.9. They are written out here: what matters is what
// PKO writes, not what Gantry makes of it.
const (
	pkoNamespace  = "pulumi-kubernetes-operator"
	pkoLease      = "operator.pulumi.com"
	pkoFinalizer  = "finalizer.stack.pulumi.com"
	pkoObjects    = "pulumi-kubernetes-operator"
	pkoFinalizers = "pulumi-kubernetes-operator/stack-finalizer"
	// pkoBinary is what PKO's plain writes are attributed to.
	pkoBinary = "manager"
)

// pko writes what PKO 2.9 writes, in the namespace of a story.
type pko struct{ *story }

// apply applies one object, or its status, as one of PKO's field managers.
func (p pko) apply(manager, text string, arguments ...any) *unstructured.Unstructured {
	p.T.Helper()
	fields := map[string]any{}
	p.Must(yaml.Unmarshal(fmt.Appendf(nil, text, arguments...), &fields))
	object := &unstructured.Unstructured{Object: fields}
	object.SetNamespace(p.Name)
	applied := client.ApplyConfigurationFromUnstructured(object)
	if _, status := fields["status"]; status {
		p.Must(p.Client.Status().Apply(p.Ctx, applied, client.FieldOwner(manager), client.ForceOwnership))
	} else {
		p.Must(p.Client.Apply(p.Ctx, applied, client.FieldOwner(manager)))
	}
	return object
}

// sees adds the finalizer to a Stack as PKO does: it writes the whole object as its own types have it, which gives the Stack
// another generation.
func (p pko) sees(name string) *pulumiv1.Stack {
	p.T.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(pulumiv1.GroupVersion.WithKind("Stack"))
	p.Must(p.Client.Get(p.Ctx, p.Key(name), object))
	path := []string{"spec", "workspaceTemplate", "spec", "podTemplate", "spec", "containers"}
	containers, _, err := unstructured.NestedSlice(object.Object, path...)
	p.Must(err)
	for _, container := range containers {
		container.(map[string]any)["resources"] = map[string]any{}
	}
	p.Must(unstructured.SetNestedSlice(object.Object, containers, path...))
	object.SetFinalizers([]string{pkoFinalizer})
	p.Must(p.Client.Update(p.Ctx, object, client.FieldOwner(pkoBinary)))
	stack := p.Stack(name)
	p.Must(p.Client.Get(p.Ctx, p.Key(name), stack))
	return stack
}

// stackStatus is the status of a Stack. PKO's conditions say no generation.
func (p pko) stackStatus(stack *pulumiv1.Stack, condition, rest string) {
	p.T.Helper()
	p.apply("pulumi-kubernetes-operator/stack-status", `
apiVersion: pulumi.com/v1
kind: Stack
metadata: {name: %s}
status:
  observedGeneration: %d
  conditions: [%s]
%s`, stack.Name, stack.Generation, condition, rest)
}

const (
	wasReady      = `{type: Ready, status: "True", reason: ProcessingCompleted, message: the stack has been processed and is up to date, lastTransitionTime: "2026-01-02T11:00:00Z"}`
	wasProcessing = `{type: Ready, status: "False", reason: NotReadyInProgress, message: reconciliation is in progress, lastTransitionTime: "2026-01-02T11:00:00Z"}, ` +
		`{type: Reconciling, status: "True", reason: StackProcessing, message: stack is being processed, lastTransitionTime: "2026-01-02T11:00:00Z"}`
	wasStalled = `{type: Ready, status: "False", reason: NotReadyStalled, message: reconciliation is stalled, lastTransitionTime: "2026-01-02T11:00:00Z"}, ` +
		`{type: Stalled, status: "True", reason: UpdateFailed, message: up failed 3 times; not retrying until the spec or source changes, lastTransitionTime: "2026-01-02T11:00:00Z"}`
)

// last is the record of an update that ended a while ago. The Program is at its first generation.
func last(update string, generation int64, kind, state string, failures int, ago time.Duration) string {
	successful := "\n    lastSuccessfulCommit: \"1\""
	if state == "failed" {
		successful = "\n    message: boom"
	}
	return fmt.Sprintf(`
  projectInfo: {name: settings, runtime: yaml}
  outputs: {colour: blue}
  lastUpdate:
    generation: %d
    name: %s
    type: %s
    state: %s
    failures: %d
    lastAttemptedCommit: "1"
    lastResyncTime: %q%s
`, generation, update, kind, state, failures, stamp(ago), successful)
}

func stamp(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }

// workspace makes the Workspace of a Stack, or one by itself, and what PKO keeps for it: a Service and a StatefulSet with
// a pod, in which nothing runs that matters.
func (p pko) workspace(name string, owner *pulumiv1.Stack, spec string) *autov1alpha1.Workspace {
	p.T.Helper()
	owned := ""
	if owner != nil {
		owned = fmt.Sprintf(`
  labels: {pulumi.com/component: stack, pulumi.com/stack-name: %[1]s}
  ownerReferences: [{apiVersion: pulumi.com/v1, kind: Stack, name: %[1]s, uid: %[2]s, controller: true, blockOwnerDeletion: true}]`, owner.Name, owner.UID)
	}
	p.apply(pkoObjects, "apiVersion: auto.pulumi.com/v1alpha1\nkind: Workspace\nmetadata:\n  name: %s%s\nspec:\n%s", name, owned, spec)
	p.apply("pulumi-kubernetes-operator/workspace-status", `
apiVersion: auto.pulumi.com/v1alpha1
kind: Workspace
metadata: {name: %[1]s}
status:
  observedGeneration: 1
  address: %[1]s-workspace.%[2]s:50051
  pulumiVersion: 3.258.0
  conditions: [{type: Ready, status: "True", reason: Succeeded, message: "", lastTransitionTime: "2026-01-02T11:00:00Z", observedGeneration: 1}]`, name, p.Name)
	workspace := p.Workspace(name)
	p.Must(p.Client.Get(p.Ctx, p.Key(name), workspace))
	p.keepsAPod(workspace)
	return workspace
}

// ofStack is the spec of the Workspace of a Stack of the stage.
func (p pko) ofStack(name string) string {
	return fmt.Sprintf(`
  image: `+image+`
  env:
  - {name: PULUMI_BACKEND_URL, value: "file:///state"}
  - {name: PULUMI_CONFIG_PASSPHRASE, valueFrom: {secretKeyRef: {name: passphrase, key: passphrase}}}
  flux: {url: "http://pulumi-kubernetes-operator.pulumi-kubernetes-operator:80/programs/%s/settings/1", digest: "sha256:%s"}
  podTemplate:
    metadata: {}
    spec:
      terminationGracePeriodSeconds: 5
      containers: [{name: pulumi, resources: {}, volumeMounts: [{name: state, mountPath: /state}]}]
      volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]
  stacks: [{name: %s, create: true}]`, p.Name, strings.Repeat("0", 64), name)
}

// keepsAPod makes the Service and the StatefulSet of a Workspace.
func (p pko) keepsAPod(workspace *autov1alpha1.Workspace) {
	p.T.Helper()
	meta := fmt.Sprintf(`
metadata:
  name: %[1]s-workspace
  labels: {auto.pulumi.com/component: workspace, auto.pulumi.com/workspace-name: %[1]s}
  ownerReferences: [{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, name: %[1]s, uid: %[2]s, controller: true, blockOwnerDeletion: true}]
`, workspace.Name, workspace.UID)
	selector := fmt.Sprintf("{auto.pulumi.com/component: workspace, auto.pulumi.com/workspace-name: %s}", workspace.Name)
	p.apply(pkoObjects, "apiVersion: v1\nkind: Service%sspec: {clusterIP: None, selector: %s, ports: [{name: grpc, port: 50051}]}", meta, selector)
	p.apply(pkoObjects, `
apiVersion: apps/v1
kind: StatefulSet%[1]sspec:
  replicas: 1
  serviceName: %[2]s-workspace
  podManagementPolicy: Parallel
  selector: {matchLabels: %[3]s}
  template:
    metadata: {labels: %[3]s, annotations: {auto.pulumi.com/revision-hash: d41d8cd98f00b204e9800998ecf8427e}}
    spec:
      serviceAccountName: default
      terminationGracePeriodSeconds: 600
      securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: pulumi
        image: `+image+`
        command: [sh, -c, 'trap "exit 0" TERM; while :; do sleep 60 & wait $!; done']
        ports: [{name: grpc, containerPort: 50051}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
        volumeMounts: [{name: share, mountPath: /share}]
      volumes: [{name: share, emptyDir: {}}]
`, meta, workspace.Name, selector)
}

// update makes an Update, and its status: whether it still runs, and how long ago it ended.
func (p pko) update(name string, workspace *autov1alpha1.Workspace, owner *pulumiv1.Stack, runs bool, ago time.Duration) *autov1alpha1.Update {
	p.T.Helper()
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: p.Name, Name: name}, Spec: autov1alpha1.UpdateSpec{
		WorkspaceName: workspace.Name, StackName: workspace.Name, Type: autov1alpha1.UpUpdate, Message: new("Initial stack update"),
		TargetDependents: new(false), Refresh: new(false), TTLAfterCompleted: new("24h0m0s"),
	}}
	update.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "auto.pulumi.com/v1alpha1", Kind: "Workspace", Name: workspace.Name, UID: workspace.UID, Controller: new(true), BlockOwnerDeletion: new(true),
	}}
	if owner != nil {
		update.Labels = map[string]string{"pulumi.com/component": "stack", "pulumi.com/stack-name": owner.Name}
		update.OwnerReferences = append(update.OwnerReferences, metav1.OwnerReference{
			APIVersion: "pulumi.com/v1", Kind: "Stack", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: new(true),
		})
	}
	p.Must(p.Client.Create(p.Ctx, update, client.FieldOwner(pkoBinary)))
	if owner != nil {
		p.apply(pkoFinalizers, "{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: %s, finalizers: [%s]}}", name, pkoFinalizer)
	}
	condition := `{type: %s, status: "%s", reason: %s, message: "", lastTransitionTime: "` + stamp(ago) + `", observedGeneration: 1}`
	conditions := fmt.Sprintf(condition+", "+condition+", "+condition,
		"Progressing", "False", "Complete", "Failed", "False", "UpdateSucceeded", "Complete", "True", "Updated")
	if runs {
		conditions = fmt.Sprintf(condition+", "+condition+", "+condition,
			"Progressing", "True", "Progressing", "Failed", "False", "Progressing", "Complete", "False", "Progressing")
	}
	p.apply("pulumi-kubernetes-operator/update-status",
		"{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: %s}, status: {observedGeneration: 1, conditions: [%s]}}", name, conditions)
	return update
}

// outputs makes the Secret with the outputs of an Update, and puts its name on record.
func (p pko) outputs(update *autov1alpha1.Update) *corev1.Secret {
	p.T.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Name, Name: update.Name + "-stack-outputs",
			Labels:          map[string]string{"auto.pulumi.com/component": "update", "auto.pulumi.com/update-name": update.Name},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "auto.pulumi.com/v1alpha1", Kind: "Update", Name: update.Name, UID: update.UID}},
		},
		Immutable: new(true), Data: map[string][]byte{"colour": []byte(`"blue"`)},
	}
	p.Must(p.Client.Create(p.Ctx, secret, client.FieldOwner(pkoBinary)))
	p.Must(p.Client.Get(p.Ctx, client.ObjectKeyFromObject(update), update))
	update.Status.Outputs = secret.Name
	p.Must(p.Client.Status().Update(p.Ctx, update, client.FieldOwner(pkoBinary)))
	return secret
}

// leads takes PKO's lease, or gives it up with an empty name.
func (p pko) leads(holder string) {
	p.T.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: pkoNamespace, Name: pkoLease}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: pkoNamespace}}
	if err := p.Client.Get(p.Ctx, client.ObjectKeyFromObject(lease), lease); client.IgnoreNotFound(err) != nil {
		p.T.Fatal(err)
	} else if err != nil {
		p.own(namespace)
		p.Must(p.Client.Create(p.Ctx, lease))
	}
	lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: new(int32(60)), RenewTime: new(metav1.NowMicro())}
	p.Must(p.Client.Update(p.Ctx, lease))
}

// remains are the StatefulSet and the Service of a Workspace.
func (s *story) remains(workspace string) []client.Object {
	meta := metav1.ObjectMeta{Namespace: s.Name, Name: workspace + "-workspace"}
	return []client.Object{&appsv1.StatefulSet{ObjectMeta: meta}, &corev1.Service{ObjectMeta: meta}}
}
