package host

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// nameAnnotation is where containerd looks for an image's name.
const nameAnnotation = "io.containerd.image.name"

// descriptor is an entry of an OCI index or manifest.
type descriptor struct {
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

// Load brings images into the cluster: folders in OCI layout, of which only
// what the cluster lacks is copied, or archives.
func (c Cluster) Load(images []string) error {
	for _, path := range images {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("load an image: %w", err)
		}
		if info.IsDir() {
			err = c.loadLayout(path)
		} else {
			err = c.loadArchive(path)
		}
		if err != nil {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

// Ctr runs containerd's client with arguments.
func (c Cluster) Ctr(arguments []string) error {
	command, err := c.ctr(arguments...)
	if err != nil {
		return err
	}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return command.Run()
}

func (c Cluster) loadArchive(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return c.importStream(file)
}

func (c Cluster) importStream(archive io.Reader) error {
	command, err := c.ctr("images", "import", "-")
	if err != nil {
		return err
	}
	command.Stdin = archive
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

func (c Cluster) loadLayout(folder string) error {
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := readJSON(filepath.Join(folder, "index.json"), &index); err != nil {
		return err
	}
	if len(index.Manifests) != 1 || index.Manifests[0].Annotations[nameAnnotation] == "" {
		return errors.New("index.json must name one image")
	}
	image := index.Manifests[0]
	name := image.Annotations[nameAnnotation]
	loaded, err := c.loadedDigest(name)
	if err != nil {
		return err
	}
	if loaded == image.Digest {
		fmt.Fprintf(c.Out, "%s is loaded already\n", name)
		return nil
	}
	blobs, err := c.missingBlobs(folder, image.Digest)
	if err != nil {
		return err
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeArchive(writer, folder, blobs)) }()
	if err := c.importStream(reader); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s is loaded (%d new parts)\n", name, len(blobs))
	return nil
}

// loadedDigest is the digest of the image of this name in the cluster, or empty.
func (c Cluster) loadedDigest(name string) (string, error) {
	command, err := c.ctr("images", "list", "name=="+name)
	if err != nil {
		return "", err
	}
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("list the cluster's images: %w", err)
	}
	for line := range strings.Lines(string(output)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == name {
			return fields[2], nil
		}
	}
	return "", nil
}

// missingBlobs lists the parts of an image that the cluster's store lacks. The
// manifest is always sent: it is what the rest is found by.
func (c Cluster) missingBlobs(folder, digest string) ([]string, error) {
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	if err := readJSON(filepath.Join(folder, blobPath(digest)), &manifest); err != nil {
		return nil, err
	}
	missing := []string{blobPath(digest)}
	for _, part := range append(manifest.Layers, manifest.Config) {
		path := blobPath(part.Digest)
		stored := c.State.Join("containerd", "io.containerd.content.v1.content", path)
		if _, err := os.Stat(stored); err != nil {
			missing = append(missing, path)
		}
	}
	return missing, nil
}

// blobPath is the place of a blob, in an OCI layout and in containerd's store alike.
func blobPath(digest string) string {
	algorithm, hash, _ := strings.Cut(digest, ":")
	return filepath.Join("blobs", algorithm, hash)
}

func writeArchive(to io.Writer, folder string, blobs []string) error {
	archive := tar.NewWriter(to)
	for _, name := range append([]string{"oci-layout", "index.json"}, blobs...) {
		if err := addFile(archive, folder, name); err != nil {
			return err
		}
	}
	return archive.Close()
}

func addFile(archive *tar.Writer, folder, name string) error {
	file, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: info.Size()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}

func readJSON(path string, object any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, object); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
