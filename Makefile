# What people and CI call. Needs Go 1.26 or newer; "make test" installs the rest.

FUZZTIME ?= 15s
SEEDS    ?= 10000
BIN      := $(CURDIR)/.cache/bin
N        ?= 4
LINT     := $(BIN)/golangci-lint-v2.15.0

.PHONY: help test demo bench torture faults dynamodb simulate lake differential lint image vuln fuzz generate

help:      ## this table
	@awk -F ':.*## ' '/^[a-z]+: .*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

test:      ## every test, on real services too; installs what is missing
	@go run ./testbed/run

demo:      ## moving cars into Redis and files, nothing to install
	@go run ./cmd/millrace demo

bench:     ## each pipeline beside its bare floor program
	@go run ./bench

torture:   ## the fault suite (5 minutes); N=200 for the numbers of docs/reliability.md, FAULT=Kills for one
	@rm -f torture.jsonl
	@MILLRACE_N=$(N) MILLRACE_TORTURE_OUT=$(CURDIR)/torture.jsonl go run ./testbed/run \
	  go test -tags testbed -count=1 -timeout 24h -v -run '^Test$(FAULT)' ./testbed/torture; \
	  code=$$?; go run ./testbed/torture/report < torture.jsonl && exit $$code

faults:    ## 50 kills over 1,000,000 records, zombies, and memory (about 12 minutes)
	@MILLRACE_KILLS=50 MILLRACE_RECORDS=1000000 MILLRACE_RECORDS_PER_TOPIC=20000 go run ./testbed/run \
	  go test -tags testbed -count=1 -timeout 60m -v -run 'TestExactlyOnceThroughKills|TestZombies|InMemory|ComeAndGo' ./testbed/behaviour

dynamodb:  ## 1,000,000 records into DynamoDB Local with 30 % faults, kills and zombies (an hour or more)
	@MILLRACE_KILLS=20 MILLRACE_RECORDS=1000000 go run ./testbed/run \
	  go test -tags testbed -count=1 -timeout 300m -v -run 'TestDynamoDB(Fast|Newest)' ./testbed/behaviour

lake:      ## 1,000,000 rows of every type read by pyarrow, DuckDB and fastavro; 50 kills with Parquet; memory (about half an hour)
	@MILLRACE_KILLS=50 MILLRACE_RECORDS=1000000 go run ./testbed/run \
	  go test -tags testbed -count=1 -timeout 90m -v -run 'TestReadersAgree|TestExactlyOnceThroughKills/Parquet|TestSchemaEvolves|Parquet$$' ./testbed/behaviour

simulate:  ## 100,000 simulated runs of the chain, the faults put in on purpose, and SEEDS (10,000) runs of whole processes
	@go run ./internal/chain/simulate --runs 100000
	@go run ./internal/chain/simulate --faults
	@go run ./internal/seeds --seeds $(SEEDS)

differential: ## 100,000 random Avro schemas against goavro and twmb/avro (half a minute)
	@go test -count=1 -v -run TestDifferential ./serde/avro

lint: $(LINT) ## golangci-lint, pinned
	@$(LINT) run ./...

image:     ## the image's root file system, its size, and its binary run in it
	@go run ./deploy/rootfs --run

vuln:      ## govulncheck, pinned; asks vuln.go.dev
	@go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

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
