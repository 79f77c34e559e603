package update

import (
	"path"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/pod"
)

func typeOf(kind autov1alpha1.UpdateType) operation.Type {
	switch kind {
	case autov1alpha1.UpUpdate:
		return operation.Type_UP
	case autov1alpha1.PreviewUpdate:
		return operation.Type_PREVIEW
	case autov1alpha1.RefreshUpdate:
		return operation.Type_REFRESH
	case autov1alpha1.DestroyUpdate:
		return operation.Type_DESTROY
	default:
		return operation.Type_TYPE_UNSPECIFIED
	}
}

// build makes the operation of an Update from its spec and its Workspace. A failure is one of the Workspace's spec, for
// a person to mend.
func build(o Observed) (*operation.Operation, *failure.TerminalError) {
	if unreadable := o.Workspace.Spec.Unreadable; unreadable != "" {
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the spec of the Workspace cannot be read: %s", unreadable)
	}
	source, err := sourceOf(o)
	if err != nil {
		return nil, err
	}
	stack, err := stackOf(o.Workspace.Spec.Stacks, o.Update.Spec.StackName)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := kubeconfigOf(o.Workspace.Spec.Kubeconfig)
	if err != nil {
		return nil, err
	}
	return &operation.Operation{
		Uid:            string(o.Update.UID),
		Name:           o.Update.Name,
		Type:           typeOf(o.Update.Spec.Type),
		Stack:          stack,
		Source:         source,
		Options:        optionsOf(o.Update.Spec, o.Workspace.Spec.PulumiLogLevel),
		Kubeconfig:     kubeconfig,
		CancelGrace:    durationpb.New(pod.CancelGrace(o.Workspace, o.Settings.CancelGrace)),
		HostPrefix:     pod.HostPrefix(o.Workspace),
		GoneHostPrefix: o.Workspace.Annotations[autov1alpha1.AnnotationGoneHosts],
		Timeout:        timeoutOf(o.Update.Spec.Timeout),
		Ended:          endedOf(o),
		PendingPolicy:  policyOf(o.Update.Spec),
	}, nil
}

// timeoutOf is nil where there is no limit. A malformed one never gets here.
func timeoutOf(wanted *string) *durationpb.Duration {
	limit, err := time.ParseDuration(value(wanted))
	if err != nil {
		return nil
	}
	return durationpb.New(limit)
}

// optionsOf takes from the spec what the type of operation knows, as PKO does, and leaves the rest.
func optionsOf(spec autov1alpha1.UpdateSpec, logLevel *int32) *operation.Options {
	options := &operation.Options{
		Parallel: value(spec.Parallel),
		Message:  value(spec.Message),
		Target:   spec.Target,
		LogLevel: value(logLevel),
	}
	if spec.Type != autov1alpha1.RefreshUpdate {
		options.ExpectNoRefreshChanges = value(spec.Refresh) && value(spec.ExpectNoRefreshChanges)
	}
	switch spec.Type {
	case autov1alpha1.UpUpdate, autov1alpha1.PreviewUpdate:
		options.ExpectNoChanges = value(spec.ExpectNoChanges)
		options.Replace = spec.Replace
		options.TargetDependents = value(spec.TargetDependents)
		options.Refresh = value(spec.Refresh)
		options.ContinueOnError = spec.Type == autov1alpha1.UpUpdate && value(spec.ContinueOnError)
	case autov1alpha1.RefreshUpdate:
		options.ExpectNoChanges = value(spec.ExpectNoChanges)
		options.RunProgram = value(spec.RunProgram)
	case autov1alpha1.DestroyUpdate:
		options.TargetDependents = value(spec.TargetDependents)
		options.Refresh = value(spec.Refresh)
		options.ContinueOnError = value(spec.ContinueOnError)
		options.Remove = value(spec.Remove)
		options.RunProgram = value(spec.RunProgram)
	}
	return options
}

// value is what p points to, or zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// stackOf finds the stack in the Workspace's list. One that is not listed is made where it does not exist, as PKO does
// for Updates that a user makes.
func stackOf(stacks []autov1alpha1.WorkspaceStack, name string) (*operation.Stack, *failure.TerminalError) {
	for _, listed := range stacks {
		if listed.Name != name {
			continue
		}
		stack := &operation.Stack{
			Name: name, Create: value(listed.Create), SecretsProvider: value(listed.SecretsProvider), Environment: listed.Environment,
		}
		for _, item := range listed.Config {
			built, err := configOf(item)
			if err != nil {
				return nil, err
			}
			stack.Config = append(stack.Config, built)
		}
		return stack, nil
	}
	return &operation.Stack{Name: name, Create: true}, nil
}

// configOf never puts a value into its message: it may be a secret.
func configOf(item autov1alpha1.ConfigItem) (*operation.ConfigItem, *failure.TerminalError) {
	built := &operation.ConfigItem{Key: item.Key, Path: value(item.Path), Secret: value(item.Secret)}
	from := item.ValueFrom
	switch {
	case item.Value != nil && from != nil:
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's config %q has both value and valueFrom: keep one", item.Key)
	case item.Value != nil:
		built.From = &operation.ConfigItem_Json{Json: item.Value.Raw}
	case from == nil || (from.Env == "") == (from.Path == ""):
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's config %q needs exactly one of value, valueFrom.env and valueFrom.path", item.Key)
	case from.Env != "":
		built.From, built.ParseJson = &operation.ConfigItem_Env{Env: from.Env}, value(from.JSON)
	default:
		built.From, built.ParseJson = &operation.ConfigItem_File{File: from.Path}, value(from.JSON)
	}
	return built, nil
}

func kubeconfigOf(source *autov1alpha1.KubeconfigSource) (*operation.Kubeconfig, *failure.TerminalError) {
	if source == nil {
		return &operation.Kubeconfig{Mode: operation.Kubeconfig_IN_CLUSTER}, nil
	}
	switch source.Type {
	case autov1alpha1.KubeconfigInCluster, "":
		return &operation.Kubeconfig{Mode: operation.Kubeconfig_IN_CLUSTER}, nil
	case autov1alpha1.KubeconfigNone:
		return &operation.Kubeconfig{Mode: operation.Kubeconfig_NONE}, nil
	case autov1alpha1.KubeconfigSecret:
		if source.SecretRef == nil || source.SecretRef.Key == "" {
			return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's spec.kubeconfig is of type Secret but names none: set secretRef.name and secretRef.key")
		}
		return &operation.Kubeconfig{Mode: operation.Kubeconfig_FILE, File: path.Join(pod.KubeconfigDir, source.SecretRef.Key)}, nil
	default:
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's spec.kubeconfig.type is %q: it has to be InCluster, None or Secret", source.Type)
	}
}
