# Generated files are committed, and come from one command.

##@ Generated files

GENERATED := api config/crd/bases config/rbac/role.yaml internal/operation charts/gantry/files
PROTOS := $(wildcard internal/operation/*.proto)

.PHONY: generate
generate: packages $(GENERATORS) ## Generate deep copies, CRDs, the role, the wire format, and the chart's copies of them
	@$(call say,generate)
	@bin/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	@bin/controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	@bin/controller-gen rbac:roleName=gantry-manager paths=./internal/... output:rbac:artifacts:config=config/rbac
	@protoc --plugin=protoc-gen-go=bin/protoc-gen-go --plugin=protoc-gen-go-grpc=bin/protoc-gen-go-grpc \
		--go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative $(PROTOS)
	@mkdir -p charts/gantry/files/crds && cp config/crd/bases/*.yaml charts/gantry/files/crds/ && cp config/rbac/role.yaml config/rbac/user_roles.yaml charts/gantry/files/
	@cp config/prometheus/alerts.yaml config/prometheus/dashboard.json charts/gantry/files/

.PHONY: generate-check
generate-check: generate ## Check that the committed generated files are the generated ones
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	if [[ -n $$changed ]]; then echo "generated files differ from the committed ones; commit what \`make generate\` wrote:"; echo "$$changed"; git --no-pager diff --stat -- $(GENERATED); exit 1; fi
