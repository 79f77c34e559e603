# What users download, made so that two runs give the same bytes: docs/releasing.md.

##@ Releases

# A commit with a tag is that version; any other is a version before the chart's next one that names the commit.
CHART_VERSION := $(shell sed -n 's/^version: *//p' charts/gantry/Chart.yaml)
RELEASE_VERSION = $(or $(VERSION),$(shell git describe --tags --exact-match --match 'v*' 2>/dev/null | sed 's/^v//' | grep . || echo $(CHART_VERSION)-dev.g$$(git rev-parse --short=12 HEAD)))
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
# Where a release goes, and where it is made.
DIST ?= dist
RELEASE_WORK ?= bin/release

RELEASE_TOOLS := bin/imagetool bin/sbom bin/helm bin/kubectl

.PHONY: release
release: packages $(RELEASE_TOOLS) ## Make all that is released, in dist/ (VERSION=1.2.3, where HEAD has no tag of it)
	@$(call say,make release $(RELEASE_VERSION) in $(DIST))
	@VERSION=$(RELEASE_VERSION) SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) DIST=$(DIST) WORK=$(RELEASE_WORK) \
		IMAGE_PACKAGES="$(BASE_PACKAGES)" make/release.sh

# A version that nothing else has: wherever it is found, it came from here.
CHECKED_VERSION := $(CHART_VERSION)-check.1
CHECKED := bin/release-check

.PHONY: release-check
release-check: packages $(RELEASE_TOOLS) ## Make a release twice and prove that it is the same, whole, and what it says it is
	@rm -rf $(CHECKED)
	@GANTRY_RELEASES=$(CURDIR)/$(CHECKED) GANTRY_RELEASE_VERSION=$(CHECKED_VERSION) go test ./test/release -count=1 -v -timeout 60m
	@$(call say,check both)
	@cd test/tools/sbom && go vet ./... && \
		GANTRY_RELEASES=$(CURDIR)/$(CHECKED)/one/dist:$(CURDIR)/$(CHECKED)/two/dist GANTRY_RELEASE_VERSION=$(CHECKED_VERSION) \
		GANTRY_BIN=$(CURDIR)/bin go test -count=1 ./...
	@rm -rf $(CHECKED)

bin/sbom: $(call go_sources,test/tools/sbom)
	@$(call build,test/tools/sbom,.,$@)
