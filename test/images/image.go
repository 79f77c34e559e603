package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// spec is an image to be built.
type spec struct {
	name, user, workdir, platform        string
	layers, env, entrypoint, cmd, labels []string
	// created is the time in the image, in seconds since 1970.
	created int64
	// gzip packs the layers: worth it for an image that leaves the machine.
	gzip bool
}

func (s spec) build(out string) error {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, file := range s.layers {
		layer, err := s.open(file)
		if err != nil {
			return err
		}
		history := v1.History{CreatedBy: "layer " + filepath.Base(file)}
		if image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: history}); err != nil {
			return fmt.Errorf("add layer %s: %w", file, err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("configure %s: %w", s.name, err)
	}
	config = config.DeepCopy()
	var ok bool
	if config.OS, config.Architecture, ok = strings.Cut(s.platform, "/"); !ok {
		return fmt.Errorf("platform %q is not OS/ARCH", s.platform)
	}
	if s.created != 0 {
		config.Created = v1.Time{Time: time.Unix(s.created, 0).UTC()}
	}
	config.Config = v1.Config{User: s.user, WorkingDir: s.workdir, Env: s.env, Entrypoint: s.entrypoint, Cmd: s.cmd}
	for _, label := range s.labels {
		key, value, _ := strings.Cut(label, "=")
		if config.Config.Labels == nil {
			config.Config.Labels = map[string]string{}
		}
		config.Config.Labels[key] = value
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return fmt.Errorf("configure %s: %w", s.name, err)
	}
	if strings.HasSuffix(out, ".tar") {
		return s.writeArchive(out, image)
	}
	return s.writeLayout(out, image)
}

// open gives a layer as it is to be stored.
func (s spec) open(file string) (v1.Layer, error) {
	if !s.gzip {
		return openLayer(file)
	}
	layer, err := tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("pack layer %s: %w", file, err)
	}
	return layer, nil
}

func (s spec) writeArchive(out string, image v1.Image) error {
	tag, err := name.NewTag(s.name)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	return tarball.WriteToFile(out, tag, image)
}

// writeLayout writes a folder in OCI layout with this one image.
func (s spec) writeLayout(out string, image v1.Image) error {
	return replaceLayout(out, func(folder string) error {
		if err := linkLayers(folder, image); err != nil {
			return err
		}
		path, err := layout.Write(folder, empty.Index)
		if err != nil {
			return err
		}
		return path.AppendImage(image, named(s.name))
	})
}

// named annotates what is appended to a layout with the names that containerd and others look for.
func named(name string) layout.Option {
	return layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          name,
		"org.opencontainers.image.ref.name": name[strings.LastIndex(name, ":")+1:],
	})
}

// replaceLayout fills a folder beside out and puts it in place when it is whole: somebody may be loading the old one.
func replaceLayout(out string, fill func(folder string) error) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := fill(temporary); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("replace %s: %w", out, err)
	}
	return os.Rename(temporary, out)
}

// linkLayers puts the layers' archives in their places without a copy, where
// the file system can: they are replaced as a whole, never written to.
func linkLayers(folder string, image v1.Image) error {
	blobs := filepath.Join(folder, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, one := range layers {
		hash, err := one.Digest()
		if err != nil {
			return err
		}
		if stored, ok := one.(*layer); ok {
			_ = os.Link(stored.file, filepath.Join(blobs, hash.Hex)) // or it is copied
		}
	}
	return nil
}

// layer is an archive on disk, stored as it is: packing it would cost more
// time than it saves, since it never leaves the machine.
type layer struct {
	file string
	hash v1.Hash
	size int64
}

func openLayer(path string) (*layer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a layer: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return nil, fmt.Errorf("read a layer: %w", err)
	}
	return &layer{file: path, hash: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, size: size}, nil
}

// Digest is the hash of the stored layer.
func (l *layer) Digest() (v1.Hash, error) { return l.hash, nil }

// DiffID is the hash of the unpacked layer, which is the same.
func (l *layer) DiffID() (v1.Hash, error) { return l.hash, nil }

// Compressed opens the stored layer.
func (l *layer) Compressed() (io.ReadCloser, error) { return os.Open(l.file) }

// Uncompressed opens the unpacked layer.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.file) }

// Size is the stored layer's length.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType says that the layer is not packed.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }
