# What the tests of programs in real languages need: the packages that the
# programs in test/e2e/testdata name, fetched once by the clients of their
# languages, and images with a Go toolchain and with these packages.

##@ Languages

PROGRAMS := test/e2e/testdata
PACKAGES := bin/packages/npm bin/packages/go

.PHONY: languages
languages: $(PACKAGES) bin/images/gantry-languages/index.json bin/images/gantry-packages/index.json ## Fetch the packages of the tests' programs, and build the images that serve and run these

# A folder is put in its place when it is whole; its time is when that was.
bin/packages/npm: make/npm-packages.mjs $(PROGRAMS)/typescript/package-lock.json | packages
	@$(call say,fetch npm packages)
	@rm -rf $@ $@.new && node make/npm-packages.mjs $(PROGRAMS)/typescript/package-lock.json $@.new && mv $@.new $@ && touch $@

# What the machine has already is not fetched again. Pulumi tidies a Go program before it runs it, and looks for plugins
# among all of its modules.
GO_PROGRAM := $(wildcard $(PROGRAMS)/golang/*)
bin/packages/go: make/languages.mk $(GO_PROGRAM)
	@$(call say,fetch Go modules)
	@rm -rf $@ $@.new && mkdir -p $@.new/program && cp $(GO_PROGRAM) $@.new/program && cd $@.new/program && \
		export GOPROXY="file://$$(go env GOMODCACHE)/cache/download,$$(go env GOPROXY)" GOMODCACHE=$(CURDIR)/$@.new GOFLAGS=-modcacherw GOWORK=off && \
		{ go mod tidy -diff && go list -m -json -mod=mod all; } >../log 2>&1 || { tail -20 ../log >&2; exit 1; }
	@mv $@.new/cache/download $@ && rm -rf $@.new $@/sumdb && touch $@

bin/doubles/packages: $(DOUBLE_SOURCES) go.mod go.sum
	@$(call build,.,./test/doubles/packages/cmd,$@)

bin/layers/packages.tar: bin/imagetool $(PACKAGES)
	@bin/imagetool files $@ bin/packages/npm=/packages/npm bin/packages/go=/packages/go

bin/layers/registries.tar: bin/imagetool bin/doubles/packages
	@bin/imagetool files $@ bin/doubles/packages=/usr/local/bin/packages

bin/images/gantry-packages/index.json: make/languages.mk bin/layers/packages.tar bin/layers/registries.tar bin/imagetool
	@$(call say,write the image localhost/gantry-packages:dev)
	@bin/imagetool image $(@D) --name localhost/gantry-packages:dev --user 65535:65535 \
		--entrypoint /usr/local/bin/packages --cmd -npm=/packages/npm --cmd -go=/packages/go --layer bin/layers/packages.tar \
		--layer bin/layers/registries.tar

# Changes when the toolchain does.
bin/layers/.go-version: FORCE
	@mkdir -p $(@D)
	@[[ -e $@ && $$(<$@) == "$$(go version)" ]] || go version >$@

# The toolchain that builds Gantry, less what no build needs.
bin/layers/go.tar: bin/imagetool bin/layers/.go-version
	@bin/imagetool files $@ $(foreach part,VERSION go.env bin lib pkg src,"$$(go env GOROOT)/$(part)=/usr/local/go/$(part)")

LANGUAGE_LAYERS := $(PULUMI_LAYERS) bin/layers/doubles.tar bin/layers/go.tar

bin/images/gantry-languages/index.json: make/languages.mk $(LANGUAGE_LAYERS) bin/imagetool
	@$(call say,write the image localhost/gantry-languages:dev)
	@bin/imagetool image $(@D) --name localhost/gantry-languages:dev $(PULUMI_IMAGE) --env $(SYSTEM_PATH):/usr/local/go/bin \
		--env GOTOOLCHAIN=local $(LANGUAGE_LAYERS:%=--layer %)

.PHONY: load-languages
load-languages: languages bin/cluster
	@bin/cluster load bin/images/gantry-languages bin/images/gantry-packages
