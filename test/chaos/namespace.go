package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// outside is the claim of a volume that two namespaces have: the state has to outlive one of them.
const outside = "outside"

// elsewhere has the Stack keep its state there.
const elsewhere = `{spec: {workspaceTemplate: {spec: {podTemplate: {spec: {volumes: [{name: state, persistentVolumeClaim: {claimName: outside}}]}}}}}}`

// prepareElsewhere makes a namespace in which Stacks are destroyed whose own is being deleted: it has their volume and
// their Secret, and the manager is told of it.
func prepareElsewhere(ctx context.Context, s *story) error {
	execution, err := s.NewNamespace(ctx, "chaos-destroy", "restricted")
	if err != nil {
		return err
	}
	s.execution = execution
	folder := filepath.Join(s.cluster.state, "volumes", s.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("the volume of both namespaces: %w", err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		return fmt.Errorf("the volume of both namespaces: %w", err)
	}
	s.world = world{folder: folder}
	// Where the cluster's processes see that folder, is told by a volume of the stock.
	claim := &corev1.PersistentVolumeClaim{}
	if err := s.Client.Get(ctx, s.Key(stage.StateClaim), claim); err != nil {
		return fmt.Errorf("a claim of the stock: %w", err)
	}
	stock := &corev1.PersistentVolume{}
	if err := s.Client.Get(ctx, stage.ClusterKey(claim.Spec.VolumeName), stock); err != nil {
		return fmt.Errorf("a volume of the stock: %w", err)
	}
	inside := filepath.Join(filepath.Dir(stock.Spec.HostPath.Path), s.Name)
	for _, n := range []*stage.Namespace{s.Namespace, execution} {
		if err := shareVolume(ctx, n, inside); err != nil {
			return err
		}
	}
	secret := &corev1.Secret{}
	if err := s.Client.Get(ctx, s.Key(stage.PassphraseSecret), secret); err != nil {
		return fmt.Errorf("the passphrase: %w", err)
	}
	copied := &corev1.Secret{}
	if err := s.Client.Get(ctx, execution.Key(stage.PassphraseSecret), copied); err != nil {
		return fmt.Errorf("the passphrase: %w", err)
	}
	copied.Data = secret.Data
	if err := s.Client.Update(ctx, copied); err != nil {
		return fmt.Errorf("the passphrase: %w", err)
	}
	return s.tellOfElsewhere(ctx)
}

// tellOfElsewhere has the manager destroy there.
func (s *story) tellOfElsewhere(ctx context.Context) error {
	deployment, err := s.Deployment(ctx)
	if err != nil {
		return err
	}
	former := deployment.Spec.Template.DeepCopy()
	s.undo = func(ctx context.Context) error {
		return errors.Join(replaceManager(ctx, s.Stage, *former), s.execution.Leave(ctx), s.removeVolumes(ctx))
	}
	manager := &deployment.Spec.Template.Spec.Containers[0]
	manager.Args = append(manager.Args, "--destroy-namespace="+s.execution.Name)
	return replaceManager(ctx, s.Stage, deployment.Spec.Template)
}

// shareVolume makes a volume of a folder of the node, and a namespace's claim of it.
func shareVolume(ctx context.Context, n *stage.Namespace, folder string) error {
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: modes, StorageClassName: outside, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: folder}},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: n.Name, Name: outside},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, StorageClassName: &volume.Spec.StorageClassName, VolumeName: n.Name,
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	}
	if err := errors.Join(n.Client.Create(ctx, volume), n.Client.Create(ctx, claim)); err != nil {
		return fmt.Errorf("the volume of %s: %w", n.Name, err)
	}
	return n.Until(ctx, claim, "to be bound", func() bool { return claim.Status.Phase == corev1.ClaimBound })
}

func (s *story) removeVolumes(ctx context.Context) error {
	errs := []error{os.RemoveAll(s.world.folder)}
	for _, name := range []string{s.Name, s.execution.Name} {
		errs = append(errs, s.Client.Delete(ctx, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	return errors.Join(errs...)
}

// deleteNamespace deletes the namespace with all that is in it.
func deleteNamespace(ctx context.Context, s *story) error {
	return s.inTheMiddle(ctx, func(*corev1.Pod) error {
		if err := s.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Name}}); err != nil {
			return fmt.Errorf("deleting the namespace: %w", err)
		}
		return nil
	})
}
