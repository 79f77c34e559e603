package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// project is the part of the PROJECT file that can be told from the rest of the repository.
type project struct {
	Repo      string `json:"repo"`
	Resources []struct {
		Domain, Group, Kind, Version, Path string
		Webhooks                           any
	} `json:"resources"`
}

func TestProjectFileIsTrue(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(repository, "PROJECT"))
	if err != nil {
		t.Fatal(err)
	}
	p := &project{}
	if err := yaml.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	var said, defined []string
	for _, r := range p.Resources {
		group := r.Domain
		if r.Group != "" {
			group = r.Group + "." + r.Domain
		}
		said = append(said, fmt.Sprintf("%s/%s %s", group, r.Version, r.Kind))
		dir, err := filepath.Rel(p.Repo, r.Path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(repository, dir, "doc.go")); err != nil {
			t.Errorf("%s %s is said to be in %s: %v", r.Version, r.Kind, r.Path, err)
		}
		if r.Webhooks != nil {
			t.Errorf("%s %s is said to have webhooks, and there are none", r.Version, r.Kind)
		}
	}
	for _, definition := range definitions(t, filepath.Join(repository, "config/crd/bases")) {
		for _, version := range definition.Spec.Versions {
			defined = append(defined, fmt.Sprintf("%s/%s %s", definition.Spec.Group, version.Name, definition.Spec.Names.Kind))
		}
	}
	slices.Sort(said)
	slices.Sort(defined)
	if diff := cmp.Diff(defined, said); diff != "" {
		t.Errorf("kinds, -defined +said:\n%s", diff)
	}
}

func TestKustomizationHasEveryDefinition(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(repository, "config/crd/kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(data, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(repository, "config/crd/bases/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, file := range files {
		there = append(there, filepath.Join("bases", filepath.Base(file)))
	}
	slices.Sort(kustomization.Resources)
	if diff := cmp.Diff(there, kustomization.Resources); diff != "" {
		t.Errorf("definitions, -there +listed:\n%s", diff)
	}
}
