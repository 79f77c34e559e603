// Package volume keeps a stock of persistent volumes to be claimed: hostPath
// folders that any user may write to. A released volume is wiped and replaced.
package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantry-operator/gantry/test/cluster/kubeapi"
	"github.com/gantry-operator/gantry/test/cluster/paths"
)

const (
	// Class is the default storage class.
	Class = "standard"
	// Stock is how many volumes wait to be claimed.
	Stock = 24

	collection = "/api/v1/persistentvolumes"
	prefix     = "volume-"
)

// API is what the keeper needs of the API server.
type API interface {
	Get(ctx context.Context, path string, object any) error
	Apply(ctx context.Context, path string, content []byte) error
	Delete(ctx context.Context, path string) error
}

// Keeper keeps the stock.
type Keeper struct {
	API   API
	State paths.State
	next  int
}

// List is the part of a list of persistent volumes that matters here.
type List struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	} `json:"items"`
}

// plan says which volumes go and how many new ones are missing. A new volume
// has no phase for a moment: it counts as available.
func plan(list List) (released []string, missing int) {
	missing = Stock
	for _, item := range list.Items {
		switch {
		case !strings.HasPrefix(item.Metadata.Name, prefix):
		case item.Status.Phase == "Released" || item.Status.Phase == "Failed":
			released = append(released, item.Metadata.Name)
		case item.Status.Phase != "Bound":
			missing--
		}
	}
	return released, max(missing, 0)
}

// Keep looks once and mends the stock.
func (k *Keeper) Keep(ctx context.Context) error {
	var list List
	if err := k.API.Get(ctx, collection, &list); err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	released, missing := plan(list)
	for _, name := range released {
		if err := k.API.Delete(ctx, collection+"/"+name); err != nil && !errors.Is(err, kubeapi.ErrNotFound) {
			return fmt.Errorf("delete volume %s: %w", name, err)
		}
		if err := os.RemoveAll(filepath.Join(k.State.Volumes(), name)); err != nil {
			return fmt.Errorf("wipe volume %s: %w", name, err)
		}
	}
	for range missing {
		if err := k.add(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) add(ctx context.Context) error {
	k.next++
	name := fmt.Sprintf("%s%04d", prefix, k.next)
	folder := filepath.Join(k.State.Volumes(), name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make volume %s: %w", name, err)
	}
	// Pods run as any user, and kubelet gives a hostPath to nobody.
	if err := os.Chmod(folder, 0o777); err != nil {
		return fmt.Errorf("open volume %s: %w", name, err)
	}
	return k.API.Apply(ctx, collection+"/"+name, manifest(name, folder))
}

func manifest(name, folder string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: PersistentVolume
metadata:
  name: %s
spec:
  storageClassName: %s
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: %s, type: Directory}
`, name, Class, folder)
}
