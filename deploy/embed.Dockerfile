# syntax=docker/dockerfile:1
# An example for a program of your own that embeds Millrace. Copy it beside your go.mod, set MAIN to the
# package of your main, and build in that folder:
#
#   docker build -f embed.Dockerfile --build-arg MAIN=./cmd/orders -t orders:1.2.3 .
ARG GO_VERSION=1.26.8

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build
ENV GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ARG MAIN=.
# timetzdata puts the time zones into the binary, which the millrace command has without it.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -tags timetzdata -ldflags "-s -w -X main.version=${VERSION}" -o /out/app ${MAIN}

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/app /usr/bin/app
# "millrace run" sets its memory limit itself; your program doesn't: budget and 76 MiB, for a pod of 256 MiB.
ENV GOMEMLIMIT=204MiB GOGC=200
USER 65532:65532
ENTRYPOINT ["/usr/bin/app"]
