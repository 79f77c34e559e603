# Images without a builder: root file systems of Debian packages, layers of
# them and of our programs, images of layers. The layers that change with the
# code are small and on top, so a change is loaded in seconds.

##@ Images

.PHONY: images
images: bin/images/gantry/index.json bin/images/gantry-pulumi/index.json bin/images/gantry-e2e/index.json bin/cluster ## Build the images, and load them into the embedded cluster where it runs
	@if bin/cluster status >/dev/null 2>&1; then $(MAKE) --no-print-directory load; \
	else echo "built bin/images; the embedded cluster does not run, so nothing was loaded"; fi

# Building is done by the images' own rules; a running cluster is assumed.
.PHONY: load
load: bin/images/gantry/index.json bin/images/gantry-pulumi/index.json bin/images/gantry-e2e/index.json bin/cluster
	@bin/cluster load bin/images/gantry bin/images/gantry-pulumi bin/images/gantry-e2e

PRODUCT_SOURCES := go.mod go.sum $(shell find api cmd internal -type f -not -name '*_test.go' -not -path '*/testdata/*' -not -path 'internal/cli/*' -not -path 'cmd/kubectl-gantry/*' 2>/dev/null)

bin/manager: $(PRODUCT_SOURCES)
	@$(call build,.,./cmd/manager,$@)

bin/agent: $(PRODUCT_SOURCES)
	@$(call build,.,./cmd/agent,$@)

# The base of both images: git, also over SSH, and what its scripts need.
BASE_PACKAGES := base-files git openssh-client ca-certificates dash coreutils sed grep
# On top of it where programs run: Node.js, a shell, and what `kubectl cp` needs.
NODE_PACKAGES := nodejs npm bash tar gzip findutils
ROOTFS := test/images/rootfs.sh bin/rootfs/apt

bin/layers/base.tar: test/images/rootfs.sh test/images/accounts.sh bin/imagetool | packages
	@$(call say,unpack the base of the images)
	@$(ROOTFS) bin/rootfs/base bin/rootfs/base.list $(BASE_PACKAGES)
	@test/images/accounts.sh bin/rootfs/base
	@bin/imagetool tree $@ bin/rootfs/base /home/pulumi=1000:1000:755 /home/nonroot=65532:65532:755 /var/lib/gantry=65532:65532:755

bin/layers/node.tar: bin/layers/base.tar
	@$(call say,unpack Node.js)
	@$(ROOTFS) bin/rootfs/node bin/rootfs/node.list --on bin/rootfs/base.list $(NODE_PACKAGES) $(BASE_PACKAGES)
	@bin/imagetool tree $@ bin/rootfs/node

bin/layers/pulumi.tar: bin/imagetool $(PULUMI_TOOLS)
	@bin/imagetool files $@ $(foreach tool,$(PULUMI_TOOLS),$(tool)=/usr/local/bin/$(notdir $(tool)))

# For git in the manager alone: files in LFS.
bin/layers/lfs.tar: bin/layers/base.tar
	@$(call say,unpack git-lfs)
	@$(ROOTFS) bin/rootfs/lfs bin/rootfs/lfs.list --on bin/rootfs/base.list git-lfs $(BASE_PACKAGES)
	@bin/imagetool tree $@ bin/rootfs/lfs

bin/layers/product.tar: bin/imagetool bin/manager bin/agent config/manager/ssh_known_hosts
	@bin/imagetool files $@ bin/manager=/manager bin/agent=/agent config/manager/ssh_known_hosts=/etc/ssh/ssh_known_hosts

bin/layers/agent.tar: bin/imagetool bin/agent
	@bin/imagetool files $@ bin/agent=/usr/local/bin/gantry-agent

bin/layers/pause.tar: bin/imagetool bin/pause
	@bin/imagetool files $@ bin/pause=/pause

bin/pause: test/cluster/pause/main.go
	@$(call build,test/cluster,./pause,$@)

# Loaded by the cluster itself when it starts.
bin/pause.tar: bin/layers/pause.tar bin/imagetool
	@bin/imagetool image $@ --name localhost/pause:gantry --user 65535:65535 --entrypoint /pause --layer $<

SYSTEM_PATH := PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

bin/images/gantry/index.json: bin/layers/base.tar bin/layers/lfs.tar bin/layers/product.tar bin/imagetool
	@$(call say,write the image localhost/gantry:dev)
	@bin/imagetool image $(@D) --name localhost/gantry:dev --user 65532:65532 --entrypoint /manager \
		--env $(SYSTEM_PATH) --env HOME=/tmp --layer bin/layers/base.tar --layer bin/layers/lfs.tar --layer bin/layers/product.tar

PULUMI_IMAGE := --user 1000:1000 --workdir /home/pulumi --cmd pulumi --env $(SYSTEM_PATH) --env HOME=/home/pulumi \
	--env PULUMI_SKIP_UPDATE_CHECK=true
PULUMI_LAYERS := bin/layers/base.tar bin/layers/node.tar bin/layers/pulumi.tar bin/layers/agent.tar

bin/images/gantry-pulumi/index.json: $(PULUMI_LAYERS) bin/imagetool
	@$(call say,write the image localhost/gantry-pulumi:dev)
	@bin/imagetool image $(@D) --name localhost/gantry-pulumi:dev $(PULUMI_IMAGE) $(PULUMI_LAYERS:%=--layer %)

# For the cluster tests: the same with stand-ins for providers, for Pulumi Cloud, for a collector of traces and for Flux's source-controller.
DOUBLES := $(patsubst test/doubles/%/go.mod,bin/doubles/%,$(wildcard test/doubles/pulumi-resource-*/go.mod))
DOUBLE_SOURCES := $(shell find test/doubles -name '*.go' -o -name '*.json' -o -name go.mod -o -name go.sum 2>/dev/null)

bin/doubles/%: $(DOUBLE_SOURCES) bin/doubles/.kubernetes-provider
	@$(if $(filter pulumi-resource-kubernetes,$*),$(if $(PULUMI_KUBERNETES_PROVIDER),cp "$(PULUMI_KUBERNETES_PROVIDER)" $@,$(call build,test/doubles/$*,.,$@)),$(call build,test/doubles/$*,.,$@))

bin/doubles/pulumi-cloud: $(DOUBLE_SOURCES) go.mod go.sum
	@$(call build,.,./test/doubles/pulumicloud/cmd,$@)

bin/doubles/collector: $(DOUBLE_SOURCES) go.mod go.sum
	@$(call build,.,./test/doubles/collector,$@)

bin/doubles/flux-source: $(DOUBLE_SOURCES)
	@$(call build,test/doubles/fluxsource,./cmd,$@)

# Changes when another released provider is named.
bin/doubles/.kubernetes-provider: FORCE
	@mkdir -p $(@D)
	@[[ -e $@ && $$(<$@) == "$(PULUMI_KUBERNETES_PROVIDER)" ]] || echo "$(PULUMI_KUBERNETES_PROVIDER)" >$@

bin/doubles/skewed-manager: $(DOUBLE_SOURCES) $(PRODUCT_SOURCES)
	@$(call build,.,./test/doubles/skewedmanager/cmd,$@)

SERVERS := bin/doubles/pulumi-cloud bin/doubles/collector bin/doubles/flux-source bin/doubles/skewed-manager

bin/layers/doubles.tar: bin/imagetool $(DOUBLES) $(SERVERS)
	@bin/imagetool files $@ $(foreach double,$(DOUBLES) $(SERVERS),$(double)=/usr/local/bin/$(notdir $(double)))

bin/doubles/git-host: go.mod go.sum $(shell find test/gitserver -name '*.go')
	@$(call build,.,./test/gitserver/cmd,$@)

# The git servers of the stories: what the images leave out of git, and sshd with the libraries that they have no use for.
bin/layers/git-host.tar: bin/imagetool bin/doubles/git-host bin/layers/node.tar | packages
	@libraries=; for library in $$(ldd /usr/sbin/sshd | grep -o '/lib/[^ ]*'); do \
		[[ -e bin/rootfs/base$$library || -e bin/rootfs/node$$library ]] || libraries+=" $$(realpath $$library)=/usr$$library"; \
	done; \
	bin/imagetool files $@ bin/doubles/git-host=/usr/local/bin/git-host /usr/sbin/sshd=/usr/sbin/sshd \
		/usr/lib/git-core/git-http-backend=/usr/lib/git-core/git-http-backend $$libraries

E2E_LAYERS := $(PULUMI_LAYERS) bin/layers/git-host.tar bin/layers/doubles.tar

bin/images/gantry-e2e/index.json: $(E2E_LAYERS) bin/imagetool
	@$(call say,write the image localhost/gantry-e2e:dev)
	@bin/imagetool image $(@D) --name localhost/gantry-e2e:dev $(PULUMI_IMAGE) $(E2E_LAYERS:%=--layer %)

# For the story of PKO's published examples: the names that these use, with what is made here. An image of Pulumi's knows
# no other backend than Pulumi Cloud; what these know beside it are the addresses of the double and its console.
EXAMPLE_LAYERS := bin/layers/base.tar bin/layers/node.tar bin/layers/pulumi.tar bin/layers/doubles.tar
EXAMPLE_CLOUD := --env PULUMI_BACKEND_URL=http://pulumi-cloud.pulumi-cloud-double.svc.cluster.local --env PULUMI_CONSOLE_DOMAIN=console.pulumi.test
EXAMPLE_IMAGES := bin/images/example-pulumi bin/images/example-app bin/images/example-nginx bin/images/example-busybox

.PHONY: load-examples
load-examples: $(EXAMPLE_IMAGES:%=%/index.json) bin/cluster
	@bin/cluster load $(EXAMPLE_IMAGES)

bin/images/example-pulumi/index.json: make/images.mk $(EXAMPLE_LAYERS) bin/imagetool
	@$(call say,write the images of the examples)
	@bin/imagetool image $(@D) --name docker.io/pulumi/pulumi:3.202.0-nonroot $(PULUMI_IMAGE) $(EXAMPLE_CLOUD) $(EXAMPLE_LAYERS:%=--layer %)

bin/layers/app.tar: bin/imagetool $(shell find test/images/app -type f)
	@bin/imagetool tree $@ test/images/app /home/pulumi=1000:1000:755

bin/images/example-app/index.json: make/images.mk $(EXAMPLE_LAYERS) bin/layers/app.tar bin/imagetool
	@bin/imagetool image $(@D) --name localhost:5000/pulumi-and-app:latest $(PULUMI_IMAGE) $(EXAMPLE_CLOUD) $(EXAMPLE_LAYERS:%=--layer %) --layer bin/layers/app.tar

# What a Deployment of the examples runs only has to start.
bin/images/example-nginx/index.json: bin/layers/pause.tar bin/imagetool
	@bin/imagetool image $(@D) --name docker.io/library/nginx:1.27-alpine --user 65535:65535 --entrypoint /pause --layer $<

bin/images/example-busybox/index.json: make/images.mk bin/layers/base.tar bin/imagetool
	@bin/imagetool image $(@D) --name docker.io/library/busybox:latest --user 1000:1000 --env $(SYSTEM_PATH) --layer bin/layers/base.tar
