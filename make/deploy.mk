# Installing Gantry: on whatever cluster KUBECONFIG names.

##@ Install it

.PHONY: deploy
deploy: bin/kubectl ## Install Gantry on the cluster of KUBECONFIG (IMAGE=... for an image of your own)
	@KUBECTL=$(CURDIR)/bin/kubectl IMAGE=$(IMAGE) make/deploy.sh

.PHONY: undeploy
undeploy: bin/kubectl ## Remove Gantry from the cluster of KUBECONFIG, but for its API and your stacks
	@KUBECTL=$(CURDIR)/bin/kubectl make/undeploy.sh
