package main

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// writeIndex writes a folder in OCI layout with one image for several platforms: those of the images in the folders.
func writeIndex(out, name string, folders []string) error {
	var index v1.ImageIndex = empty.Index
	for _, folder := range folders {
		image, err := onlyImage(folder)
		if err != nil {
			return fmt.Errorf("read the image in %s: %w", folder, err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			return fmt.Errorf("read the image in %s: %w", folder, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: config.Platform()},
		})
	}
	return replaceLayout(out, func(folder string) error {
		path, err := layout.Write(folder, empty.Index)
		if err != nil {
			return err
		}
		return path.AppendIndex(index, named(name))
	})
}

// onlyImage is the image in a folder with one.
func onlyImage(folder string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("it has %d images, not one", len(manifest.Manifests))
	}
	return index.Image(manifest.Manifests[0].Digest)
}
