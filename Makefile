# apiml: make help lists the targets.
SHELL := /bin/bash -o pipefail
GO ?= go
BIN := bin/apiml
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Real data for the tests: APIML_DATASETS if it is set (then a missing file is a
# failure), else ../shared/datasets if it is there, else those tests are skipped
# and counted.
ifndef APIML_DATASETS
ifneq ($(wildcard ../shared/datasets/README.md),)
APIML_DATASETS := $(abspath ../shared/datasets)
endif
endif
ifdef APIML_DATASETS
export APIML_DATASETS := $(abspath $(APIML_DATASETS))
endif

.PHONY: build test race lint demo bench pretrained results coverage bench-peers kills transfer campaigns realism cache-table docs screenshot notices install cover fuzz clean help

build: ## build bin/apiml (needs Go and gcc)
	$(GO) build -trimpath -o $(BIN) ./cmd/apiml

test: ## run all tests, the concurrent packages under the race detector too
	@$(MAKE) --no-print-directory skips
	env -u APIML_DATASETS $(GO) test -race -short ./internal/... ./frame ./train ./evaluate ./score
	env -u APIML_DATASETS $(GO) test -race -short -run 'Worker|Determin|Concurr|Cancel|Models|Variants' ./model/...
	$(GO) test -timeout 20m ./...

.PHONY: skips
skips:
ifndef APIML_DATASETS
	@echo "APIML_DATASETS is not set: $$(grep -rlw APIML_DATASETS --include='*_test.go' . | wc -l) test files skip their real-data tests"
endif

lint: ## gofmt, vet, staticcheck, import table, pinned go-duckdb
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$out" ]; then echo "gofmt needed:"; echo "$$out"; exit 1; fi
	@grep -q '^	github.com/marcboeker/go-duckdb v1.8.2$$' go.mod || { echo "go.mod: go-duckdb must stay at v1.8.2 (later ones left arrow/go/v17)"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -count=1 -run 'TestImportTable' ./cmd/apiml

demo: build ## the whole chain on generated traffic, into demo/
	$(BIN) demo -o demo

pretrained: build ## train the built-in models on generated traffic into score/builtin
	$(BIN) models pretrain --pack score/builtin

results: build ## regenerate docs/results.md: figures on the real data sets, hours (SECTIONS="csic forecast …": these only, the others stay)
	GO="$(GO)" ./docs/results.sh $(BIN) $(SECTIONS)

.PHONY: bench-flows
bench-flows: build ## the classifier of flows beside scikit-learn on the same 25 folds of CIC-IDS2017 (half an hour; SEEDS="1 2" for a part)
	./docs/peers-flows.sh $(BIN) $(SEEDS)

coverage: build ## coverage of every log and format sample under APIML_DATASETS
	./docs/coverage.sh $(BIN)

transfer: build ## a classifier of generated traffic alone, judged on real requests (needs APIML_DATASETS)
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	$(BIN) models pretrain -q "$$work" >/dev/null && $(BIN) models transfer -q $${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets} --models "$$work"

campaigns: build ## which campaigns of generated weeks are found, beside the rules
	$(BIN) models campaigns -q

realism: build ## generated traffic beside four real logs (needs APIML_DATASETS)
	$(BIN) models realism -q $${APIML_DATASETS:?set APIML_DATASETS to the folder of the data sets}

.PHONY: bench-trees
bench-trees: ## forests beside scikit-learn, boosted trees beside XGBoost, CPU-second ratios (SCALE=0.1 SEEDS=5 WORKERS=1; from PyPI into .peers/)
	GO="$(GO)" ./examples/treebench/peers.sh $(or $(SCALE),0.1) $(or $(SEEDS),5) $(or $(WORKERS),1)

cache-table: build ## all cache policies on the real traces and logs, printed
	./docs/cache-table.sh $(BIN)

bench: ## benchmarks of the hot paths
	$(GO) run ./examples/treebench data .peers/trees-$(or $(SCALE),0.1) $(or $(SCALE),0.1)
	$(GO) test -run '^$$' -bench . -benchmem ./ingest ./features ./model/... ./score ./store ./generate ./forecast
	$(GO) test -run '^$$' -bench 'ParseAndStore|ScoreFile' ./cmd/apiml

bench-peers: build ## apiml beside GoAccess, DuckDB's CSV reader (5 million lines), scikit-learn's and R's DBSCAN, R's prophet, scikit-learn's forest on flows (one seed), CPU seconds
	./docs/peers-ingest.sh $(BIN)
	./docs/peers-score.sh $(BIN)
	GO="$(GO)" ./examples/clusterbench/peers.sh
	GO="$(GO)" ./docs/peers-forecast.sh
	./docs/peers-flows.sh $(BIN) 1

kills: ## kill an ingest with -9 at 50 random moments, run it again, compare
	APIML_KILLS=50 $(GO) test -count=1 -timeout 30m -run '^TestKill$$' -v ./cmd/apiml

.PHONY: samebytes
samebytes: ## score every log of APIML_DATASETS from the file and from the store, shuffled too, with 1 and 4 workers, compare bytes
	APIML_SAMEBYTES=all $(GO) test -count=1 -timeout 60m -run '^TestSameBytes$$' -v ./cmd/apiml

docs: build ## regenerate docs/ (command and configuration reference)
	$(BIN) docs reference docs

screenshot: build ## the pictures of README.md, from the report of a demo (needs Chromium)
	./docs/screenshots.sh $(BIN)

notices: ## regenerate the third-party notices from the modules that are linked in
	GO="$(GO)" ./docs/notices.sh > cmd/apiml/THIRD_PARTY_NOTICES.txt.new && mv cmd/apiml/THIRD_PARTY_NOTICES.txt.new cmd/apiml/THIRD_PARTY_NOTICES.txt

PREFIX ?= /usr/local
install: build ## program, man pages and completions (bash, zsh, fish) below PREFIX (/usr/local) or DESTDIR
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/apiml
	$(BIN) docs man $(DESTDIR)$(PREFIX)/share/man/man1
	mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BIN) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/apiml
	$(BIN) completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_apiml
	$(BIN) completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/apiml.fish

cover: ## coverage per package
	$(GO) test -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out | tail -1

fuzz: ## 20 seconds of each fuzz target
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 20s $$p || exit 1; done; done

clean: ## remove what the targets made
	rm -rf bin demo coverage.out

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20
