package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// variant is an image of one platform.
type variant struct {
	platform v1.Platform
	image    v1.Image
}

// readLayout finds the images in a folder: those of the one index that it names.
func readLayout(folder string) ([]variant, error) {
	top, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	names, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(names.Manifests) != 1 {
		return nil, fmt.Errorf("it has %d images, not one", len(names.Manifests))
	}
	index, err := top.ImageIndex(names.Manifests[0].Digest)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var found []variant
	for _, one := range manifest.Manifests {
		image, err := index.Image(one.Digest)
		if err != nil {
			return nil, err
		}
		if one.Platform == nil {
			return nil, fmt.Errorf("image %s has no platform", one.Digest)
		}
		found = append(found, variant{*one.Platform, image})
	}
	return found, nil
}

// statusFolder is where the images have the description of each Debian package.
const statusFolder = "var/lib/dpkg/status.d/"

// addImage adds an image with its packages and programs.
func (d *document) addImage(name string, v variant) error {
	digest, err := v.image.Digest()
	if err != nil {
		return err
	}
	image := d.add(&spdx.Package{
		PackageName: name, PackageVersion: d.version, PrimaryPackagePurpose: "CONTAINER",
		PackageSupplier:  &common.Supplier{SupplierType: "Organization", Supplier: "Gantry"},
		PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: digest.Hex}},
		PackageExternalReferences: []*spdx.PackageExternalReference{purl(
			"pkg:oci/gantry@" + url.QueryEscape(digest.String()) + "?arch=" + v.platform.Architecture + "&repository_url=ghcr.io/gantry-operator/gantry&tag=" + d.version)},
	})
	d.relate("", common.TypeRelationshipDescribe, image)
	layers, err := v.image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if err := d.addLayer(image, layer); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) addLayer(image common.ElementID, layer v1.Layer) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close()
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := d.addFile(image, header, reader); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// addFile adds a Debian package, or a program of ours: these are in the top folder.
func (d *document) addFile(image common.ElementID, header *tar.Header, content io.Reader) error {
	switch {
	case strings.HasPrefix(header.Name, statusFolder):
		text, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		d.relate(image, common.TypeRelationshipContains, d.add(debianPackage(fields(text))))
		return nil
	case path.Dir(header.Name) == "." && header.Mode&0o100 != 0:
		return d.addProgram(header.Name, content, image)
	default:
		return nil
	}
}

// fields are those of a package's description that are on one line.
func fields(text []byte) map[string]string {
	found := map[string]string{}
	for line := range bytes.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimRight(string(line), "\n"), ": "); ok && !strings.HasPrefix(key, " ") {
			found[key] = value
		}
	}
	return found
}

func debianPackage(f map[string]string) *spdx.Package {
	query := url.Values{"arch": {f["Architecture"]}, "distro": {"debian-12"}}
	if source, _, _ := strings.Cut(f["Source"], " "); source != "" && source != f["Package"] {
		query.Set("upstream", source)
	}
	p := &spdx.Package{
		PackageName: f["Package"], PackageVersion: f["Version"], PrimaryPackagePurpose: "INSTALL",
		PackageExternalReferences: []*spdx.PackageExternalReference{purl(
			"pkg:deb/debian/" + f["Package"] + "@" + url.PathEscape(f["Version"]) + "?" + query.Encode())},
		PackageHomePage: f["Homepage"],
	}
	if f["Maintainer"] != "" {
		p.PackageSupplier = &common.Supplier{SupplierType: "Organization", Supplier: f["Maintainer"]}
	}
	return p
}
