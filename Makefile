# Everything hangs on this file; `make help` lists what there is to ask for.
# Programs, root file systems and images are built into bin/, the embedded
# cluster keeps its state in .cluster/; git ignores both.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The embedded cluster's kubeconfig, for the targets that test or show something.
EMBEDDED := $(CURDIR)/.cluster/kubeconfig
# CLUSTER=current lets `make demo` use the caller's cluster.
CLUSTER ?= embedded
# The product image that `make deploy` names.
IMAGE ?= localhost/gantry:dev
# The image stacks run in, where it is not the one made here.
WORKSPACE_IMAGE ?=
# How long the cluster tests may take.
E2E_TIMEOUT ?= 45m
MODEL_TIME ?= 10m
# What to tell the measurement, as `go run ./test/bench -help` lists it.
BENCH ?=
# What to tell the faults, as `go run ./test/chaos -help` lists it.
CHAOS ?=
# Which cluster tests to run, as `go test -run` takes it.
E2E_RUN ?= .

include make/tools.mk
include make/images.mk
include make/languages.mk
include make/generate.mk
include make/deploy.mk
include make/release.mk

##@ Try it

.PHONY: demo
demo: ## Start a cluster, install Gantry and run a first stack (CLUSTER=current: on your own cluster)
ifeq ($(CLUSTER),current)
	@$(MAKE) --no-print-directory deploy bin/kubectl
	@KUBECTL=$(CURDIR)/bin/kubectl config/samples/demo.sh
else
	@$(MAKE) --no-print-directory cluster-up load
	@KUBECONFIG=$(EMBEDDED) $(MAKE) --no-print-directory deploy
	@KUBECONFIG=$(EMBEDDED) KUBECTL=$(CURDIR)/bin/kubectl config/samples/demo.sh
endif

##@ Test it

.PHONY: test
test: unit release-check cluster-check e2e argocd helm chaos-short rbac ## Run every test: unit, API server, the embedded cluster itself, on the cluster, with Argo CD, the chart, faults there, and what the manager used of its rights

# Modules of their own beside the root module, with tests.
NESTED := test/cluster test/images test/flux test/prometheus test/tools/sbom $(patsubst %/go.mod,%,$(wildcard test/doubles/*/go.mod))

.PHONY: unit
unit: packages bin/envtest bin/flux-crds bin/notification-manifests bin/argocd-manifests bin/helm bin/kubectl $(PULUMI_TOOLS) $(DOUBLES) bin/packages/npm ## Run vet, unit tests and tests against a real API server
	@$(call say,vet and test the product)
	@go vet ./...
	@KUBEBUILDER_ASSETS=$(CURDIR)/bin/envtest go test -timeout 30m ./...
	@for module in $(NESTED); do \
		$(call say,vet and test $$module); \
		(cd $$module && go vet ./... && go test ./...); \
	done

.PHONY: e2e
e2e: cluster-up load load-examples load-languages bin/envtest bin/helm bin/flux-crds bin/notification-controller bin/notification-manifests bin/argocd-manifests bin/kubectl-gantry ## Run the cluster tests on the embedded cluster (E2E_RUN=Name for some)
	@KUBECONFIG=$(EMBEDDED) $(MAKE) --no-print-directory deploy
	@$(call say,run the cluster tests)
	@KUBECONFIG=$(EMBEDDED) GANTRY_E2E=1 PATH="$(CURDIR)/bin:$$PATH" \
		go test -p 1 ./test/e2e/... ./test/docs/ -count=1 -timeout $(E2E_TIMEOUT) -v -run '$(E2E_RUN)'

.PHONY: rbac
rbac: ## Compare what the manager asked the API server for since the cluster was started with what it is granted
	@$(call say,compare rights and use)
	@GANTRY_AUDIT=$(CURDIR)/.cluster/logs go test ./test/rbac/ -count=1 -v -run TestEveryRightIsUsed

.PHONY: argocd
argocd: cluster-up load bin/argocd bin/argocd-manifests bin/kubectl ## Run the tests with the real Argo CD on the embedded cluster (E2E_RUN=TestArgoCD/Name for some)
	@KUBECONFIG=$(EMBEDDED) $(MAKE) --no-print-directory deploy
	@$(call say,run the tests with Argo CD)
	@KUBECONFIG=$(EMBEDDED) GANTRY_E2E=1 go test ./test/argocd -count=1 -parallel 16 -timeout 20m -v -run '$(E2E_RUN)'

.PHONY: helm
helm: cluster-up load bin/helm ## Install, upgrade and uninstall the chart on the embedded cluster, as users do
	@$(call say,tell the stories of the chart)
	@KUBECONFIG=$(EMBEDDED) KUBECTL=$(CURDIR)/bin/kubectl make/helm.sh

.PHONY: model
model: packages ## Play histories that nobody thought of in a simulated world (MODEL_TIME=10m; make test does it for seconds)
	@$(call say,play histories)
	@GANTRY_MODEL_TIME=$(MODEL_TIME) go test ./test/model/ -count=1 -timeout 0 -v -run 'TestHistories|TestKeptHistories'

.PHONY: chaos
chaos: cluster-up load ## Break what Gantry stands on while stacks are updated, and count the harm (CHAOS='-only "pod killed"' for a part)
	@KUBECONFIG=$(EMBEDDED) $(MAKE) --no-print-directory deploy
	@$(call say,break things)
	@KUBECONFIG=$(EMBEDDED) PATH="$(CURDIR)/bin:$$PATH" go run ./test/chaos $(CHAOS)

.PHONY: chaos-short
chaos-short: ## The short form of it, which is part of every run of the tests
	@$(MAKE) --no-print-directory chaos CHAOS=-short

.PHONY: bench
bench: cluster-up load ## Measure how fast stacks are, and write .cluster/bench.json (BENCH='-only git' for a part)
	@KUBECONFIG=$(EMBEDDED) $(MAKE) --no-print-directory deploy
	@$(call say,measure)
	@KUBECONFIG=$(EMBEDDED) PATH="$(CURDIR)/bin:$$PATH" go run ./test/bench $(BENCH)

.PHONY: verify
verify: generate-check format-check lint ## Check generated files, format and lint

.PHONY: format-check
format-check: ## Check that all Go files are formatted
	@$(call say,check the format)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [[ -n $$unformatted ]]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi

.PHONY: lint
lint: bin/golangci-lint ## Run the linters
	@$(call say,lint)
	@bin/golangci-lint run ./...

##@ The embedded cluster

.PHONY: cluster-up
cluster-up: packages bin/cluster bin/kube bin/coredns bin/kubectl bin/pause.tar ## Start the embedded cluster, unless it runs
	@$(call say,start the cluster)
	@bin/cluster up

.PHONY: cluster-down
cluster-down: bin/cluster ## End the embedded cluster and remove everything it made
	@bin/cluster down

.PHONY: cluster-check
cluster-check: packages bin/cluster bin/kube bin/coredns bin/pause.tar bin/kubectl ## Prove that clusters start, mend and end cleanly (uses one of its own)
	@$(call say,check the cluster)
	@cd test/cluster && GANTRY_CLUSTER_PROGRAMS=$(CURDIR)/bin go test ./host -count=1 -v -timeout 10m

##@ Help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9.-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

# A line for a person, with the time of day, before each longer step.
say = printf '\e[1m== %(%T)T  %s\e[0m\n' -1 "$(1)"

.PHONY: FORCE
FORCE:
