package cli

import (
	"context"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// definition is a kind as the plugin needs it.
type definition struct {
	name, version string
	// reads are the fields that the plugin reads and older definitions may lack.
	reads []string
}

// definitions of all kinds.
func definitions() []definition {
	return []definition{
		{"stacks.pulumi.com", "v1", []string{"spec.suspend", "status.decision", "status.currentUpdate.reconcileRequest", "status.resources"}},
		{"programs.pulumi.com", "v1", []string{"status.artifact.revision"}},
		{"workspaces.auto.pulumi.com", "v1alpha1", []string{"status.podName", "status.pulumiVersion"}},
		{"updates.auto.pulumi.com", "v1alpha1", []string{"status.outputs", "status.podUID", "status.progress", "status.changes"}},
	}
}

// kinds looks at the definitions of the kinds.
func (e *examination) kinds(ctx context.Context) error {
	for _, want := range definitions() {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		err := e.Get(ctx, client.ObjectKey{Name: want.name}, crd)
		switch {
		case apierrors.IsNotFound(err):
			e.add(stateFailed, "kind "+want.name, "it is not installed", "install Gantry with its definitions")
		case err != nil:
			if err := e.unseen("kind "+want.name, err); err != nil {
				return err
			}
		default:
			e.defined[want.name] = crd.Labels[labelVersion]
			e.verdicts = append(e.verdicts, want.verdict(crd))
		}
	}
	return nil
}

// verdict says whether a kind is defined as it is needed.
func (d definition) verdict(crd *apiextensionsv1.CustomResourceDefinition) verdict {
	subject := "kind " + d.name
	served := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Served && v.Name == d.version })
	if served < 0 {
		return verdict{subject, stateFailed, "it does not serve the version " + d.version, "install the definitions of this version of Gantry"}
	}
	established := slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
	if !established {
		return verdict{subject, stateFailed, "the API server does not serve it yet", "kubectl describe crd " + d.name}
	}
	if lacks := d.lacks(crd.Spec.Versions[served].Schema); len(lacks) > 0 {
		return verdict{subject, stateWarning, "its definition is older than this plugin, and lacks " + strings.Join(lacks, ", "),
			"install the definitions of the plugin's version; what is in these fields is lost until then"}
	}
	return verdict{subject, stateOK, "serves " + d.version, ""}
}

// lacks are the fields that the plugin reads and the schema has not.
func (d definition) lacks(schema *apiextensionsv1.CustomResourceValidation) []string {
	return slices.DeleteFunc(slices.Clone(d.reads), func(path string) bool {
		if schema == nil || schema.OpenAPIV3Schema == nil {
			return false
		}
		at := *schema.OpenAPIV3Schema
		for name := range strings.SplitSeq(path, ".") {
			next, ok := at.Properties[name]
			if !ok {
				return false
			}
			at = next
		}
		return true
	})
}
