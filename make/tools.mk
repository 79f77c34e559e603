# What the project needs to build and test itself: Debian packages, and pinned
# tools, each a Go module of its own below test/tools.

##@ Tools

# $(call build,FOLDER,PACKAGE,OUTPUT,EXTRA-LINKER-FLAGS)
build = $(call say,build $(3)); cd $(1) && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w $(4)" -o $(CURDIR)/$(3) $(2)

.PHONY: packages
packages: ## Install the Debian packages that are missing
	@make/packages.sh

PULUMI_TOOLS := bin/pulumi bin/pulumi-language-yaml bin/pulumi-language-nodejs bin/pulumi-language-go
GENERATORS := bin/controller-gen bin/protoc-gen-go bin/protoc-gen-go-grpc

.PHONY: tools
tools: packages bin/cluster bin/kube bin/kubectl bin/coredns bin/pause.tar bin/imagetool bin/envtest $(PULUMI_TOOLS) $(GENERATORS) ## Build all tools (about 15 minutes the first time, seconds later)

# A tool is built again when its module changes: its version is there.
tool_module = test/tools/$(1)/go.mod test/tools/$(1)/go.sum

KUBERNETES_VERSION = $(shell sed -n 's/^require k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p;s/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' test/cluster/kube/go.mod | head -1)
SAY_VERSION = -X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION)

bin/kube: test/cluster/kube/go.mod test/cluster/kube/go.sum test/cluster/kube/main.go
	@$(call build,test/cluster/kube,.,$@,$(SAY_VERSION))

bin/kubectl: test/cluster/kube/go.mod test/cluster/kube/go.sum
	@$(call build,test/cluster/kube,k8s.io/kubernetes/cmd/kubectl,$@,$(SAY_VERSION))

bin/coredns: $(call tool_module,coredns) test/tools/coredns/main.go
	@$(call build,test/tools/coredns,.,$@)

PULUMI_VERSION = $(shell sed -n 's/.*github.com\/pulumi\/pulumi\/pkg\/v3 \(v[0-9.]*\).*/\1/p' test/tools/pulumi/go.mod | head -1)
bin/pulumi: $(call tool_module,pulumi)
	@$(call build,test/tools/pulumi,github.com/pulumi/pulumi/pkg/v3/cmd/pulumi,$@,-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$(PULUMI_VERSION))

bin/pulumi-language-yaml: $(call tool_module,pulumi-language-yaml)
	@$(call build,test/tools/pulumi-language-yaml,github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml,$@)

bin/pulumi-language-nodejs: $(call tool_module,pulumi-language-nodejs)
	@$(call build,test/tools/pulumi-language-nodejs,github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs,$@)

bin/pulumi-language-go: $(call tool_module,pulumi-language-go)
	@$(call build,test/tools/pulumi-language-go,github.com/pulumi/pulumi/sdk/v3/go/pulumi-language-go,$@)

bin/controller-gen: $(call tool_module,controller-gen)
	@$(call build,test/tools/controller-gen,sigs.k8s.io/controller-tools/cmd/controller-gen,$@,-X sigs.k8s.io/controller-tools/pkg/version.version=$(CONTROLLER_GEN_VERSION))
CONTROLLER_GEN_VERSION = $(shell sed -n 's/.*sigs.k8s.io\/controller-tools \(v[0-9.]*\).*/\1/p' test/tools/controller-gen/go.mod | head -1)

bin/protoc-gen-go: $(call tool_module,protoc-gen-go)
	@$(call build,test/tools/protoc-gen-go,google.golang.org/protobuf/cmd/protoc-gen-go,$@)

bin/protoc-gen-go-grpc: $(call tool_module,protoc-gen-go-grpc)
	@$(call build,test/tools/protoc-gen-go-grpc,google.golang.org/grpc/cmd/protoc-gen-go-grpc,$@)

# The chart is tested with it, and stories of charts run it.
bin/helm: $(call tool_module,helm)
	@$(call build,test/tools/helm,helm.sh/helm/v4/cmd/helm,$@)

# One program for all of Argo CD: the server, the controller, the repository server and the command.
ARGOCD := github.com/argoproj/argo-cd/v3
ARGOCD_VERSION = $(shell sed -n 's/.*github.com\/argoproj\/argo-cd\/v3 \(v[0-9.]*\).*/\1/p' test/tools/argocd/go.mod | head -1)
bin/argocd: $(call tool_module,argocd)
	@$(call build,test/tools/argocd,$(ARGOCD)/cmd,$@,-X $(ARGOCD)/common.version=$(ARGOCD_VERSION:v%=%))

# What is applied before it runs, of the same version: its definitions and its configuration as it is by default.
bin/argocd-manifests: $(call tool_module,argocd)
	@folder=$$(cd test/tools/argocd && go mod download -json $(ARGOCD) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); [[ -n $$folder ]]; \
	mkdir -p $@; install -m 644 "$$folder"/manifests/crds/*-crd.yaml "$$folder"/manifests/base/config/argocd-*.yaml $@; touch $@

bin/golangci-lint: $(call tool_module,golangci-lint)
	@$(call build,test/tools/golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$@,-X main.version=$(GOLANGCI_LINT_VERSION))
GOLANGCI_LINT_VERSION = $(shell sed -n 's/.*github.com\/golangci\/golangci-lint\/v2 v\([0-9.]*\).*/\1/p' test/tools/golangci-lint/go.mod | head -1)

# go_sources lists the Go files of a folder that belong to its module.
go_sources = $(shell find $(1) -name kube -prune -o \( -name '*.go' -o -name '*.yaml' -o -name go.mod -o -name go.sum \) -not -name '*_test.go' -print)

bin/cluster: $(call go_sources,test/cluster)
	@$(call build,test/cluster,.,$@)

bin/imagetool: $(call go_sources,test/images)
	@$(call build,test/images,.,$@)

# What controller-runtime's test environment looks for.
bin/envtest: bin/kube bin/kubectl | packages
	@mkdir -p $@
	@ln -sfn ../kube $@/kube-apiserver
	@ln -sfn /usr/bin/etcd $@/etcd
	@ln -sfn ../kubectl $@/kubectl
	@touch $@

# The definitions of Flux's source kinds, for tests of sources.
FLUX_SOURCES = $(shell sed -n 's/.*\(github.com\/fluxcd\/source-controller\)\/api \(v[0-9.]*\).*/\1@\2/p' test/doubles/fluxsource/go.mod | head -1)
bin/flux-crds: test/doubles/fluxsource/go.mod
	@$(call say,get the definitions of $(FLUX_SOURCES))
	@folder=$$(go mod download -json $(FLUX_SOURCES) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); [[ -n $$folder ]]; \
	mkdir -p $@; install -m 644 "$$folder"/config/crd/bases/source.toolkit.fluxcd.io_*.yaml $@; touch $@

# The program that tells people of events, for the story of Flux's notifications, and its own manifests of the same version.
NOTIFICATION := github.com/fluxcd/notification-controller
bin/notification-controller: $(call tool_module,notification-controller)
	@$(call build,test/tools/notification-controller,$(NOTIFICATION),$@)

bin/notification-manifests: $(call tool_module,notification-controller)
	@folder=$$(cd test/tools/notification-controller && go mod download -json $(NOTIFICATION) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); [[ -n $$folder ]]; \
	rm -rf $@; mkdir -p $@; cp -R --no-preserve=mode "$$folder"/config/{crd,default,manager,rbac} $@

# The plugin of kubectl. VERSION is what it calls itself.
bin/kubectl-gantry: go.mod go.sum docs/runbook.md $(call go_sources,api cmd/kubectl-gantry internal/cli docs)
	@$(call build,.,./cmd/kubectl-gantry,$@,$(if $(VERSION),-X main.version=$(VERSION)))

.PHONY: plugin
plugin: bin/kubectl-gantry ## Build the plugin of kubectl, bin/kubectl-gantry
