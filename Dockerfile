# The product image, with the same content as localhost/gantry of `make images`:
# manager, agent, git (also over SSH, and with LFS), the host keys of the big git
# hosts, and certificate authorities. For several platforms:
# docker buildx build --platform linux/amd64,linux/arm64 .

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
WORKDIR /source
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY internal internal
# The agent is copied into images of all kinds: it must be static.
ENV CGO_ENABLED=0
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/manager ./cmd/agent

FROM debian:12.12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git git-lfs openssh-client \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/* \
 && groupadd --gid 65532 nonroot \
 && useradd --uid 65532 --gid 65532 --create-home --shell /usr/sbin/nologin nonroot \
 && install --directory --owner 65532 --group 65532 /var/lib/gantry
COPY config/manager/ssh_known_hosts /etc/ssh/ssh_known_hosts
COPY --from=build /out/manager /manager
COPY --from=build /out/agent /agent
# The root file system may be read-only: only /tmp and /var/lib/gantry are written.
ENV HOME=/tmp
USER 65532:65532
ENTRYPOINT ["/manager"]
