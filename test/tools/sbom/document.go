package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const (
	none    = "NOASSERTION"
	project = "https://github.com/gantry-operator/gantry"
)

// release is what all documents have in common.
type release struct {
	version string
	created time.Time
}

// document is one that is being written.
type document struct {
	release
	name     string
	packages map[common.ElementID]*spdx.Package
	related  map[string]*spdx.Relationship
	// content goes into the namespace, which has to be another one for another content.
	content []string
}

func (r release) document(name string) *document {
	return &document{release: r, name: name, packages: map[common.ElementID]*spdx.Package{}, related: map[string]*spdx.Relationship{}}
}

// add adds a package, once, and gives its identifier.
func (d *document) add(p *spdx.Package) common.ElementID {
	p.PackageSPDXIdentifier = identifier(p.PackageName, p.PackageVersion)
	if p.PackageDownloadLocation == "" {
		p.PackageDownloadLocation = none
	}
	p.PackageLicenseConcluded, p.PackageLicenseDeclared, p.PackageCopyrightText = none, none, none
	d.packages[p.PackageSPDXIdentifier] = p
	for _, sum := range p.PackageChecksums {
		d.content = append(d.content, sum.Value)
	}
	return p.PackageSPDXIdentifier
}

// relate says how two packages are related; a is "" for the document.
func (d *document) relate(a common.ElementID, how string, b common.ElementID) {
	if a == "" {
		a = "DOCUMENT"
	}
	d.related[string(a)+" "+how+" "+string(b)] = &spdx.Relationship{
		RefA: common.DocElementID{ElementRefID: a}, Relationship: how, RefB: common.DocElementID{ElementRefID: b},
	}
}

// addProgram adds a program with the modules linked into it. above is what contains it; nothing if it is the subject.
func (d *document) addProgram(name string, content io.Reader, above common.ElementID) error {
	whole, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(whole))
	if err != nil {
		return fmt.Errorf("read what it is built of: %w", err)
	}
	sum := sha256.Sum256(whole)
	program := d.add(&spdx.Package{
		PackageName: name, PackageVersion: d.version, PrimaryPackagePurpose: "APPLICATION", PackageFileName: name,
		PackageDownloadLocation: project + "/releases", PackageSupplier: &common.Supplier{SupplierType: "Organization", Supplier: "Gantry"},
		PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: hex.EncodeToString(sum[:])}},
	})
	if above == "" {
		d.relate("", common.TypeRelationshipDescribe, program)
	} else {
		d.relate(above, common.TypeRelationshipContains, program)
	}
	for _, m := range modules(info) {
		d.relate(program, common.TypeRelationshipDependsOn, d.add(modulePackage(m)))
	}
	return nil
}

// modules are those linked into a program, the standard library among them, without the program's own.
func modules(info *debug.BuildInfo) []debug.Module {
	all := []debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, *m)
	}
	return all
}

func modulePackage(m debug.Module) *spdx.Package {
	location := none
	if m.Path != "stdlib" {
		location = "https://proxy.golang.org/" + escaped(m.Path) + "/@v/" + escaped(m.Version) + ".zip"
	}
	return &spdx.Package{
		PackageName: m.Path, PackageVersion: m.Version, PrimaryPackagePurpose: "LIBRARY", PackageDownloadLocation: location,
		PackageExternalReferences: []*spdx.PackageExternalReference{purl("pkg:golang/" + m.Path + "@" + m.Version)},
	}
}

// escaped is a module's path or version as proxies have it: a capital is an exclamation mark and the small letter.
func escaped(text string) string {
	return regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(text, func(capital string) string { return "!" + strings.ToLower(capital) })
}

func purl(text string) *spdx.PackageExternalReference {
	return &spdx.PackageExternalReference{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: text}
}

// identifier is made of letters, digits, dots and hyphens only; a hash keeps apart what looks alike then.
func identifier(name, version string) common.ElementID {
	text := name + "@" + version
	sum := sha256.Sum256([]byte(text))
	return common.ElementID("Package-" + regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(text, "-") + "-" + hex.EncodeToString(sum[:4]))
}

// finished is the document, in an order that depends on nothing but the content.
func (d *document) finished() *spdx.Document {
	slices.Sort(d.content)
	sum := sha256.Sum256([]byte(strings.Join(d.content, "\n")))
	out := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: d.name,
		DocumentNamespace: project + "/sbom/" + d.version + "/" + d.name + "-" + hex.EncodeToString(sum[:16]),
		CreationInfo: &spdx.CreationInfo{
			Created:  d.created.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Organization", Creator: "Gantry"}, {CreatorType: "Tool", Creator: "gantry-sbom"}},
		},
	}
	for _, p := range d.packages {
		out.Packages = append(out.Packages, p)
	}
	slices.SortFunc(out.Packages, func(a, b *spdx.Package) int {
		return strings.Compare(string(a.PackageSPDXIdentifier), string(b.PackageSPDXIdentifier))
	})
	var keys []string
	for key := range d.related {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		out.Relationships = append(out.Relationships, d.related[key])
	}
	return out
}
