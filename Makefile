# What people and CI call. Needs Go 1.26 or newer; "make test" installs the rest.

FUZZTIME ?= 15s
BIN      := $(CURDIR)/.cache/bin
LINT     := $(BIN)/golangci-lint-v2.15.0

.PHONY: help test demo bench lint fuzz generate

help:      ## this table
	@awk -F ':.*## ' '/^[a-z]+: .*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

test:      ## every test, on real services too; installs what is missing
	@go run ./testbed/run

demo:      ## moving cars into Redis and files, nothing to install
	@go run ./cmd/millrace demo

bench:     ## each pipeline beside its bare floor program
	@go run ./bench

lint: $(LINT) ## golangci-lint, pinned
	@$(LINT) run ./...

fuzz:      ## each fuzz target for FUZZTIME (15s)
	@go list ./... | while read pkg; do \
	  go test -list '^Fuzz' $$pkg | grep '^Fuzz' | while read name; do \
	    go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done || exit 1; \
	done

generate:  ## reference tables and the JSON schema, from the code
	@go generate ./...

$(LINT):
	@echo "installing $(notdir $(LINT)) (some minutes, once)"
	@GOBIN=$(BIN)/install go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv $(BIN)/install/golangci-lint $(LINT) && rmdir $(BIN)/install
