# Everything there is to do here; `make` alone lists it. Keeps to GNU Make 3.81, which macOS has.

BIN := .venv/bin
STACKS_BIN := .venv-stacks/bin
# Suites that are too slow for `make test`, each a folder of tests/ and a target `test-<name>`.
HEAVY := browser clients container engine faults fuzz stacks
BENCHES := $(sort $(patsubst bench/%.py,%,$(filter-out bench/_%,$(wildcard bench/*.py))))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Using it

.PHONY: demo
demo: .venv/.local-stamp ## Start the service, stream a recording of real speech to it, show what comes back
	@$(BIN)/transcriber demo

.PHONY: run
run: .venv/.local-stamp ## Run the service on HOST and PORT (127.0.0.1:8080) until Ctrl-C
	@$(BIN)/transcriber serve

# Running it on AWS: one environment, ENV=dev or ENV=prod (docs/infrastructure.md)

ENV ?= dev
export PULUMI_SKIP_UPDATE_CHECK ?= true

.PHONY: bootstrap
bootstrap: .venv/.local-stamp ## Prepare an AWS account for REPO=OWNER/REPO: state, roles, secrets; asks first; ENVIRONMENTS=dev narrows it
	@[ -n "$(REPO)" ] || { echo "usage: make bootstrap REPO=OWNER/REPO [ENVIRONMENTS=dev] [ARGS='--budget-email you@example.com']"; exit 2; }
	@$(BIN)/python -m bootstrap $(REPO) $(if $(ENVIRONMENTS),--environments $(ENVIRONMENTS)) $(ARGS)

.PHONY: rights
rights: .venv/.local-stamp ## Print how many actions each role of `make bootstrap` may take, and where
	@$(BIN)/python -m bootstrap.count

# Pulumi would make a stack and a file of a slip.
Pulumi.%.yaml:
	$(error there is no $@; ENV is one of $(sort $(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.?*.yaml))))

.PHONY: preview
preview: Pulumi.$(ENV).yaml .venv-stacks/.stamp ## Say what `make up` would change in ENV; changes nothing
	pulumi preview --stack $(ENV) $(ARGS)

.PHONY: up
up: Pulumi.$(ENV).yaml .venv-stacks/.stamp ## Bring ENV up on AWS, then see that it runs what was built, and transcribes; ARGS=--yes asks nothing
	pulumi stack select --create $(ENV) $(if $(PULUMI_SECRETS_PROVIDER),--secrets-provider '$(PULUMI_SECRETS_PROVIDER)')
	pulumi up --stack $(ENV) $(ARGS)

.PHONY: verify
verify: .venv-stacks/.stamp ## See that ENV runs what was built, and transcribes, as the end of `make up` does; changes nothing
	@$(STACKS_BIN)/python -m stacks.environment.verify $(ENV)

.PHONY: down
down: .venv-stacks/.stamp ## Take ENV down, with what a failed `make up` left; says what is kept
	$(STACKS_BIN)/python -m stacks.environment.teardown $(ENV)

.PHONY: cost
cost: Pulumi.$(ENV).yaml .venv-stacks/.stamp ## Say what ENV costs, by the month and by the session-hour, and what settings would save (docs/cost.md)
	@$(STACKS_BIN)/python -m stacks.cost $(ENV) $(ARGS)

.PHONY: promote
promote: Pulumi.$(ENV).yaml .venv-stacks/.stamp ## Keep the image that ENV runs, for another environment to run; says with which settings
	$(STACKS_BIN)/python -m stacks.environment.promote $(ENV)

# Working on it

.PHONY: setup
setup: .venv/.dev-stamp .venv-stacks/.stamp ## Create .venv and .venv-stacks with everything needed to work on it (PYTHON=... picks the Python)

.PHONY: test
test: lint ## Static checks, then every quick test; TESTS=... narrows it, as for pytest
	$(BIN)/python -m pytest $(TESTS)
	$(if $(TESTS),,$(STACKS_BIN)/python -m pytest --quiet $(QUICK_STACKS))

# Programs and policies; not what stands in for AWS, and not what runs under it.
QUICK_STACKS = $(filter-out $(wildcard tests/stacks/test_engine_* tests/stacks/test_standin_*),$(wildcard tests/stacks/test_*.py))

.PHONY: lint
lint: .venv/.dev-stamp .venv-stacks/.stamp ## Static checks only: ruff, pyright strict, import contracts, shell scripts, workflows
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/basedpyright
	$(BIN)/basedpyright --project stacks
	PYTHONPATH=services $(BIN)/lint-imports --no-logo
	$(BIN)/shellcheck .ci/* $(shell grep -l bash .github/scripts/*)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/actionlint .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.renovate renovate.json

.PHONY: rehearsal
rehearsal: .venv-stacks/.stamp ## A shell where Pulumi deploys to a stand-in for AWS (docs/deploy.md); needs Linux, root, Pulumi and BuildKit
	@[ "$$(uname)/$$(id -u)" != Linux/0 ] || .ci/install-packages stacks
	@$(STACKS_BIN)/python -m tests.stacks.rehearsal $(ARGS)

.PHONY: workflows
workflows: .venv/.dev-stamp ## Print the workflows' jobs, order and roles; then run them all dry, and print what each step calls
	@$(BIN)/python .github/scripts/job_graph.py
	@$(BIN)/python -m tests.workflows.dry_run $(WORKFLOWS)

.PHONY: diagrams
diagrams: .venv-stacks/.stamp ## Write the generated part of stacks/*/README.md anew, from the programs
	$(STACKS_BIN)/python -m tests.stacks.diagrams

.PHONY: refusals
refusals: .venv-stacks/.stamp ## Count the wrong programs that the stand-in for AWS refuses, and write the table of docs/infrastructure.md anew
	$(STACKS_BIN)/python -m tests.stacks.refusals

.PHONY: fix
fix: .venv/.dev-stamp ## Format, and mend what can be mended without thinking
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: coverage
coverage: .venv/.dev-stamp ## The quick tests, and which lines and branches they miss
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.PHONY: test-container
test-container: .venv/.dev-stamp ## Heavy: the images, built and run under Fargate's limits by a Docker engine of its own
	@[ "$$(uname)/$$(id -u)" != Linux/0 ] || { .ci/install-packages container && .ci/install-compose; }
	$(BIN)/python -m pytest tests/container

.PHONY: test-browser
test-browser: .venv/.dev-stamp ## Heavy: what a real Chromium records of its microphone, streamed to the service
	@.ci/install-packages browser
	$(BIN)/python -m pytest tests/browser

.PHONY: test-clients
test-clients: .venv/.dev-stamp ## Heavy: clients in Python, JavaScript and Go that are not ours, the examples among them
	@command -v go >/dev/null || .ci/install-packages clients
	$(BIN)/python -m pytest tests/clients

.PHONY: test-engine
test-engine: .venv/.dev-stamp ## Heavy: the local engine's models, languages and filters on real speech
	$(BIN)/python -m pytest tests/engine

.PHONY: test-faults
test-faults: .venv/.dev-stamp ## Heavy: the service under loads and ends that no client should bring about
	$(BIN)/python -m pytest tests/faults

.PHONY: test-fuzz
test-fuzz: .venv/.dev-stamp ## Heavy: every parser that bytes from outside reach, fuzzed for some seconds
	$(BIN)/python -m pytest tests/fuzz

.PHONY: test-stacks
test-stacks: .venv/.dev-stamp .venv-stacks/.stamp ## Heavy: the infrastructure, as programs and under Pulumi's own engine
	@[ "$$(uname)/$$(id -u)" != Linux/0 ] || .ci/install-packages stacks container
	$(STACKS_BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/stacks

.PHONY: release-state
release-state: .venv-stacks/.stamp ## Write down the state that this version brings up, for later ones to be brought up over it
	$(STACKS_BIN)/python -m tests.stacks.release

IMAGE ?= transcriber:local

.PHONY: sbom
sbom: .venv/.dev-stamp ## Write sbom.cdx.json, the bill of materials of IMAGE (transcriber:local), of PLATFORM if it has several
	$(BIN)/syft $(IMAGE) $(if $(PLATFORM),--platform $(PLATFORM)) --output cyclonedx-json=sbom.cdx.json

SECONDS ?= 20

.PHONY: fuzz
fuzz: .venv/.dev-stamp ## Fuzz every parser, each for SECONDS (20), and print what was found; TARGETS=... narrows it
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGETS)

.PHONY: list-heavy
list-heavy: # The heavy targets, for .ci/run
	@echo $(HEAVY:%=test-%)

.PHONY: bench
bench: .venv/.dev-stamp ## Every measurement; `make bench-<name>` for bench/<name>.py alone, with ARGS=...
	@for name in $(BENCHES); do echo "==> bench/$$name.py"; $(BIN)/python -m bench.$$name || exit 1; done

.PHONY: $(BENCHES:%=bench-%)
$(BENCHES:%=bench-%): bench-%: .venv/.dev-stamp
	@$(BIN)/python -m bench.$* $(ARGS)

# One version of each package, so that what is tested on one Python holds on the others.
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header \
	--no-emit-index-url --no-annotate --quiet $(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: .venv/.dev-stamp ## Lock requirements/ anew after a change in pyproject.toml; UPGRADE=1 takes the newest versions
	$(COMPILE) pyproject.toml --extra server --extra local --extra mic --group dev --group engine-tests --group fuzz \
	  --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra server --extra local --constraint requirements/dev.txt \
	  --output-file requirements/local.txt
	$(COMPILE) pyproject.toml --extra server --constraint requirements/dev.txt --output-file requirements/server.txt
	printf 'hatchling\neditables\n' | $(COMPILE) - --constraint requirements/dev.txt \
	  --output-file requirements/build.txt
	$(COMPILE) pyproject.toml --group stacks --constraint requirements/build.txt \
	  --output-file requirements/stacks.txt

.PHONY: clean
clean: ## Remove everything that make made; recordings in data/ stay
	rm -rf .venv .venv-stacks .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* mutants build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what .venv holds: enough to use it, quicker to install, or all that is locked.

.venv/.local-stamp: requirements/local.txt requirements/build.txt pyproject.toml
	@.ci/setup local
	@touch $@

.venv/.dev-stamp: requirements/dev.txt requirements/build.txt pyproject.toml
	@.ci/setup dev
	@touch .venv/.local-stamp $@

.venv-stacks/.stamp: requirements/stacks.txt requirements/build.txt pyproject.toml
	@.ci/setup stacks
	@touch $@
