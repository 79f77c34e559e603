# Installing Gantry: on whatever cluster KUBECONFIG names.

##@ Install it

.PHONY: deploy
deploy: bin/kubectl ## Install Gantry on the cluster of KUBECONFIG (IMAGE=..., WORKSPACE_IMAGE=... for images of your own)
	@KUBECTL=$(CURDIR)/bin/kubectl IMAGE=$(IMAGE) WORKSPACE_IMAGE=$(WORKSPACE_IMAGE) make/deploy.sh

.PHONY: undeploy
undeploy: bin/kubectl ## Remove Gantry from the cluster of KUBECONFIG, but for its API and your stacks
	@KUBECTL=$(CURDIR)/bin/kubectl make/undeploy.sh
