package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	spdxjson "github.com/spdx/tools-golang/json"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

// released are two runs of `make release` of the same commit.
type released struct{ one, two, version, bin string }

// releases are what `make release-check` has made.
func releases(t *testing.T) released {
	t.Helper()
	one, two, ok := strings.Cut(os.Getenv("GANTRY_RELEASES"), ":")
	if !ok {
		t.Skip("NOT PROVEN: there are no releases to look at; run make release-check")
	}
	return released{one, two, os.Getenv("GANTRY_RELEASE_VERSION"), os.Getenv("GANTRY_BIN")}
}

// file is the path of a released file.
func (r released) file(format string, arguments ...any) string {
	return filepath.Join(r.one, fmt.Sprintf(format, arguments...))
}

// programs are the released programs.
func (r released) programs(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(r.file("*_%s_*_*", r.version))
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(name string) bool { return strings.HasSuffix(name, ".json") })
	if len(all) < 4 {
		t.Fatalf("only the programs %v were released", all)
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// sums are the digests of all files in a folder, by name.
func sums(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, entry := range entries {
		sum := sha256.Sum256(read(t, filepath.Join(folder, entry.Name())))
		found[entry.Name()] = hex.EncodeToString(sum[:])
	}
	return found
}

func TestTwoRunsGiveTheSameBytes(t *testing.T) {
	r := releases(t)
	one, two := sums(t, r.one), sums(t, r.two)
	for name, sum := range one {
		if two[name] != sum {
			t.Errorf("%s differs between the runs", name)
		}
	}
	if len(one) != len(two) {
		t.Errorf("%d files in one run, %d in the other", len(one), len(two))
	}
}

func TestChecksumsAreThoseOfAllFiles(t *testing.T) {
	r := releases(t)
	want := sums(t, r.one)
	delete(want, "SHA256SUMS")
	got := map[string]string{}
	for line := range strings.Lines(string(read(t, r.file("SHA256SUMS")))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got[name] = sum
	}
	if !maps.Equal(got, want) {
		t.Errorf("SHA256SUMS has\n%v\nthe files are\n%v", got, want)
	}
}

func TestProgramsAreOfTheirPlatformsAndVersion(t *testing.T) {
	r := releases(t)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range r.programs(t) {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		built := map[string]string{}
		for _, s := range info.Settings {
			built[s.Key] = s.Value
		}
		want := strings.TrimSuffix(file, ".exe")
		if suffix := "_" + built["GOOS"] + "_" + built["GOARCH"]; !strings.HasSuffix(want, suffix) {
			t.Errorf("%s is a program for %s", filepath.Base(file), suffix)
		}
		if built["CGO_ENABLED"] != "0" {
			t.Errorf("%s is not static", filepath.Base(file))
		}
		content := read(t, file)
		if bytes.Contains(content, []byte(root)) {
			t.Errorf("%s names the folder that it was made in", filepath.Base(file))
		}
		if !bytes.Contains(content, []byte(r.version)) {
			t.Errorf("%s does not have its version", filepath.Base(file))
		}
	}
	for _, program := range []string{"manager", "agent"} {
		out, err := exec.CommandContext(t.Context(), r.file("gantry-%s_%s_linux_%s", program, r.version, runtime.GOARCH), "--version").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != r.version {
			t.Errorf("the %s says its version is %q: %v", program, out, err)
		}
	}
}

// readDocument reads a document back and checks its form.
func readDocument(t *testing.T, path string) *spdx.Document {
	t.Helper()
	d, err := spdxjson.Read(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var document spdx.Document
	if err := json.Unmarshal(read(t, path), &document); err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(d); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	if document.SPDXVersion != "SPDX-2.3" {
		t.Errorf("%s is of version %s", path, document.SPDXVersion)
	}
	return &document
}

// listed are the names and versions of a document's packages that have a package URL of a type.
func listed(d *spdx.Document, kind string) []string {
	var found []string
	for _, p := range d.Packages {
		for _, ref := range p.PackageExternalReferences {
			if strings.HasPrefix(ref.Locator, "pkg:"+kind+"/") {
				found = append(found, p.PackageName+" "+p.PackageVersion)
			}
		}
	}
	slices.Sort(found)
	return found
}

// linked asks Go for the modules in a program.
func linked(t *testing.T, file string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(strings.Split(string(out), "\n")[0], ": go")
	found := []string{"stdlib " + version}
	for line := range strings.Lines(string(out)) {
		switch words := strings.Fields(line); {
		case len(words) >= 3 && words[0] == "dep":
			found = append(found, words[1]+" "+words[2])
		case len(words) >= 3 && words[0] == "=>":
			found[len(found)-1] = words[1] + " " + words[2]
		}
	}
	slices.Sort(found)
	return found
}

func TestDocumentsListExactlyTheModulesInThePrograms(t *testing.T) {
	r := releases(t)
	inImage := map[string][]string{}
	for _, file := range r.programs(t) {
		d := readDocument(t, file+".spdx.json")
		modules := linked(t, file)
		if got := listed(d, "golang"); !slices.Equal(got, modules) {
			t.Errorf("%s lists\n%v\nwant\n%v", filepath.Base(file), got, modules)
		}
		for _, arch := range []string{"amd64", "arm64"} {
			if base := filepath.Base(file); strings.HasPrefix(base, "gantry-") && strings.HasSuffix(base, "_linux_"+arch) {
				inImage[arch] = append(inImage[arch], modules...)
			}
		}
	}
	for arch, modules := range inImage {
		slices.Sort(modules)
		d := readDocument(t, r.file("gantry-image_%s_linux_%s.spdx.json", r.version, arch))
		if got, want := listed(d, "golang"), slices.Compact(modules); !slices.Equal(got, want) {
			t.Errorf("the image of %s lists\n%v\nwant\n%v", arch, got, want)
		}
		packages := listed(d, "deb")
		for _, name := range []string{"git", "git-lfs", "openssh-client", "libc6", "ca-certificates"} {
			if !slices.ContainsFunc(packages, func(p string) bool { return strings.HasPrefix(p, name+" ") }) {
				t.Errorf("the image of %s lists no %s among %v", arch, name, packages)
			}
		}
	}
}

// unpack unpacks the image's archive, which must have nothing in it but a layout.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	folder := t.TempDir()
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(folder, filepath.FromSlash(header.Name))
		if header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(target, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		out, err := os.Create(target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, reader); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImageIsAValidLayoutOfBothPlatforms(t *testing.T) {
	r := releases(t)
	folder := unpack(t, r.file("gantry-image_%s.oci.tar", r.version))
	if got := strings.TrimSpace(string(read(t, filepath.Join(folder, "oci-layout")))); !strings.Contains(got, `"imageLayoutVersion": "1.0.0"`) {
		t.Errorf("oci-layout is %s", got)
	}
	for name, sum := range sums(t, filepath.Join(folder, "blobs", "sha256")) {
		if name != sum {
			t.Errorf("the blob %s has the digest %s", name, sum)
		}
	}
	top, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	// It reads every index, manifest, configuration and layer, and compares digests, sizes and content.
	if err := validate.Index(top); err != nil {
		t.Error(err)
	}
	names, err := top.IndexManifest()
	if err != nil || len(names.Manifests) != 1 {
		t.Fatalf("the layout names %v: %v", names, err)
	}
	if got, want := names.Manifests[0].Annotations["io.containerd.image.name"], "ghcr.io/gantry-operator/gantry:"+r.version; got != want {
		t.Errorf("the image is called %s, want %s", got, want)
	}
	variants, err := readLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, v := range variants {
		platforms = append(platforms, v.platform.String())
		t.Run(v.platform.Architecture, func(t *testing.T) { checkVariant(t, r, v) })
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(platforms, want) {
		t.Errorf("the platforms are %v, want %v", platforms, want)
	}
}

// checkVariant checks that an image runs as it should, and has all that its programs need, for its platform.
func checkVariant(t *testing.T, r released, v variant) {
	t.Helper()
	config, err := v.image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != v.platform.Architecture || config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/manager"}) ||
		config.Config.Labels["org.opencontainers.image.version"] != r.version {
		t.Errorf("the configuration is %+v", config)
	}
	files := contents(t, v.image)
	for program, released := range map[string]string{"manager": "manager", "agent": "agent"} {
		want := read(t, r.file("gantry-%s_%s_linux_%s", released, r.version, v.platform.Architecture))
		if !bytes.Equal(files[program], want) {
			t.Errorf("/%s is not the released program", program)
		}
	}
	d := readDocument(t, r.file("gantry-image_%s_%s.spdx.json", r.version, strings.ReplaceAll(v.platform.String(), "/", "_")))
	packages := slices.Sorted(maps.Keys(files))
	packages = slices.DeleteFunc(packages, func(name string) bool { return path.Dir(name) != "var/lib/dpkg/status.d" })
	if got := listed(d, "deb"); len(got) != len(packages) {
		t.Errorf("the document has %d Debian packages, the image %d", len(got), len(packages))
	}
	for _, name := range packages {
		if licence := "usr/share/doc/" + path.Base(name) + "/copyright"; files[licence] == nil && path.Base(name) != "libgcc-s1" {
			t.Errorf("there is no %s", licence)
		}
	}
	checkLibraries(t, v.platform.Architecture, files)
}

// contents are the files of an image's layers; links are left out.
func contents(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for reader := tar.NewReader(content); ; {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch header.Typeflag {
			case tar.TypeReg:
				if files[header.Name], err = io.ReadAll(reader); err != nil {
					t.Fatal(err)
				}
			case tar.TypeSymlink:
				files[header.Name] = nil
			}
		}
		if err := content.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// checkLibraries finds programs of another platform, and libraries that a program needs and the image does not have.
func checkLibraries(t *testing.T, arch string, files map[string][]byte) {
	t.Helper()
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	have := map[string]bool{}
	for name := range files {
		have[path.Base(name)] = true
	}
	checked := 0
	for name, content := range files {
		if !bytes.HasPrefix(content, []byte(elf.ELFMAG)) {
			continue
		}
		program, err := elf.NewFile(bytes.NewReader(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if program.Machine != machine {
			t.Errorf("%s is for %s", name, program.Machine)
		}
		needed, err := program.ImportedLibraries()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, library := range needed {
			if !have[library] {
				t.Errorf("%s needs %s, which is not there", name, library)
			}
		}
		checked++
	}
	if checked < 50 {
		t.Errorf("only %d programs and libraries were found", checked)
	}
}

func TestChartAndManifestsNameTheVersion(t *testing.T) {
	r := releases(t)
	chart := r.file("gantry-%s.tgz", r.version)
	file, err := os.Open(chart)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for reader := tar.NewReader(unpacked); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			t.Fatal("the package has no gantry/Chart.yaml")
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != "gantry/Chart.yaml" {
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nversion: " + r.version + "\n", "\nappVersion: " + r.version + "\n"} {
			if !strings.Contains("\n"+string(text), want) {
				t.Errorf("Chart.yaml has no %q:\n%s", want, text)
			}
		}
		break
	}
	render := exec.CommandContext(t.Context(), filepath.Join(r.bin, "helm"), "template", "gantry", chart, "--namespace", "gantry-system")
	rendered, err := render.Output()
	if err != nil {
		t.Fatalf("render the chart: %v", err)
	}
	image := regexp.MustCompile(`(?m)^\s*(?:- )?image: "?([^"\s]+)"?$`)
	for source, text := range map[string][]byte{"the chart": rendered, "install.yaml": read(t, r.file("install.yaml"))} {
		found := image.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s names no image", source)
		}
		for _, one := range found {
			if want := "ghcr.io/gantry-operator/gantry:" + r.version; string(one[1]) != want {
				t.Errorf("%s names the image %s, want %s", source, one[1], want)
			}
		}
		if bytes.Contains(text, []byte("localhost/")) {
			t.Errorf("%s names something of this machine", source)
		}
	}
}
