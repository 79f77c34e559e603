# Installing Gantry: on whatever cluster KUBECONFIG names.

##@ Install it

.PHONY: deploy
deploy: bin/kubectl ## Install Gantry on the cluster of KUBECONFIG (IMAGE=..., WORKSPACE_IMAGE=... for images of your own)
	@KUBECTL=$(CURDIR)/bin/kubectl IMAGE=$(IMAGE) WORKSPACE_IMAGE=$(WORKSPACE_IMAGE) make/deploy.sh

.PHONY: undeploy
undeploy: bin/kubectl ## Remove Gantry from the cluster of KUBECONFIG, but for its API and your stacks
	@KUBECTL=$(CURDIR)/bin/kubectl make/undeploy.sh

# Where `make install.yaml` writes.
INSTALL_YAML ?= dist/install.yaml

.PHONY: install.yaml
install.yaml: bin/kubectl ## Write all that installs Gantry into dist/install.yaml (IMAGE=... and WORKSPACE_IMAGE=... as for deploy)
	@KUBECTL=$(CURDIR)/bin/kubectl IMAGE=$(IMAGE) WORKSPACE_IMAGE=$(WORKSPACE_IMAGE) OUT=$(INSTALL_YAML) make/install.sh
	@echo "wrote $(INSTALL_YAML): kubectl apply --server-side -f $(INSTALL_YAML)"
