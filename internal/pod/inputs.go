package pod

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Input is a Secret or ConfigMap whose content the pulumi container of a pod sees.
type Input struct {
	Reference
	// Required says that the pod does not start without the object.
	Required bool
	// Whole says that all of the object's content counts, whatever its keys are.
	Whole bool
	// Keys that count where not all do; true says that the key has to be there.
	Keys map[string]bool
}

// Inputs are what the pulumi container of a Workspace's pod takes from Secrets and ConfigMaps: by its environment, by
// its mounts, and by the configuration that is read from these. They are sorted. Of what is mounted as a whole only
// those files count that the configuration reads, if it reads any. An *InvalidError says that there can be no pod.
func Inputs(workspace *autov1alpha1.Workspace) ([]Input, error) {
	built, err := Build(workspace, Settings{})
	if err != nil {
		return nil, err
	}
	found := inputs{}
	container := find(built.Spec.Containers, ContainerPulumi)
	for _, used := range envUses(container) {
		found.add(used)
	}
	for _, mount := range container.VolumeMounts {
		for i := range built.Spec.Volumes {
			if volume := &built.Spec.Volumes[i]; volume.Name == mount.Name {
				found.addVolume(volume, filesRead(workspace, mount.MountPath))
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Input) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	}), nil
}

// inputs are found one use after the other; what any of them needs counts.
type inputs map[Reference]Input

func (all inputs) add(u use) {
	if u.Name == "" {
		return
	}
	input, ok := all[u.Reference]
	if !ok {
		input = Input{Reference: u.Reference, Keys: map[string]bool{}}
	}
	input.Required = input.Required || !u.optional
	input.Whole = input.Whole || len(u.keys) == 0
	for _, key := range u.keys {
		input.Keys[key] = input.Keys[key] || !u.optional
	}
	all[u.Reference] = input
}

// addVolume adds what a mounted volume takes its files from; read are the files that the configuration takes from it.
// Which source of a projected volume a file comes from cannot be told.
func (all inputs) addVolume(volume *corev1.Volume, read []string) {
	for _, used := range volumeUses(volume) {
		if len(used.keys) == 0 && volume.Projected == nil {
			used.keys = read
		}
		all.add(used)
	}
}

// filesRead are the files right in a directory that the configuration of the Workspace's stacks is read from.
func filesRead(workspace *autov1alpha1.Workspace, directory string) []string {
	var files []string
	for _, stack := range workspace.Spec.Stacks {
		for _, item := range stack.Config {
			if item.ValueFrom == nil {
				continue
			}
			file, inside := strings.CutPrefix(item.ValueFrom.Path, strings.TrimSuffix(directory, "/")+"/")
			if inside && file != "" && !strings.Contains(file, "/") {
				files = append(files, file)
			}
		}
	}
	return files
}
