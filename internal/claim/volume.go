package claim

import (
	"encoding/json"
	"net/url"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// file is the key of a directory that keeps state. One that no other pod can see is nobody else's.
func (e environment) file(parsed *url.URL, spec *corev1.PodSpec) (string, bool) {
	if parsed.Host != "" || !path.IsAbs(parsed.Path) {
		return "", false
	}
	dir := path.Clean(parsed.Path)
	var mounted *corev1.VolumeMount
	mounts := pulumi(spec).VolumeMounts
	for i := range mounts {
		at := path.Clean(mounts[i].MountPath)
		if (dir == at || strings.HasPrefix(dir, strings.TrimSuffix(at, "/")+"/")) && (mounted == nil || len(at) > len(path.Clean(mounted.MountPath))) {
			mounted = &mounts[i]
		}
	}
	if mounted == nil || mounted.SubPathExpr != "" {
		return "", false
	}
	rest := path.Join("/", mounted.SubPath, strings.TrimPrefix(dir, path.Clean(mounted.MountPath)))
	for _, volume := range spec.Volumes {
		if volume.Name == mounted.Name {
			return e.volume(volume, rest, spec)
		}
	}
	return "", false
}

// volume is the key of a directory of a volume that pods share.
func (e environment) volume(volume corev1.Volume, dir string, spec *corev1.PodSpec) (string, bool) {
	switch {
	case volume.PersistentVolumeClaim != nil:
		return "volume " + e.namespace + "/" + volume.PersistentVolumeClaim.ClaimName + " " + dir, true
	case volume.NFS != nil:
		return "nfs " + volume.NFS.Server + " " + path.Join("/", volume.NFS.Path, dir), true
	case volume.HostPath != nil:
		// Each node has its own.
		node, err := json.Marshal([]any{spec.NodeName, spec.NodeSelector})
		return "host " + string(node) + " " + path.Join("/", volume.HostPath.Path, dir), err == nil
	default:
		return "", false
	}
}

// volumes stands for what a pod mounts that may outlive it.
func volumes(spec *corev1.PodSpec) string {
	var lasting []corev1.Volume
	for _, volume := range spec.Volumes {
		if volume.ConfigMap == nil && volume.Secret == nil && volume.Projected == nil && volume.EmptyDir == nil && volume.DownwardAPI == nil {
			lasting = append(lasting, volume)
		}
	}
	text, err := json.Marshal(lasting)
	if err != nil {
		return volumes(&corev1.PodSpec{})
	}
	return string(text)
}
