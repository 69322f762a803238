# Each target is one line that you could have typed. `make help` lists them.
.DEFAULT_GOAL := help
PORT ?= 8000
DATA ?= .data
BIN := .venv/bin
UV := 0.13.9
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# Set in many containers; here many processes start, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
export THROUGHLINE_COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

.PHONY: help run demo test test-kafka check format bench kafka lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/' | column -t -s '|'

run: .venv/ready ## start everything on 127.0.0.1:8000 (PORT=, DATA=)
	@$(BIN)/throughline up --port $(PORT) --data $(DATA)

demo: .venv/ready ## place one order and show its way (DATA=)
	@$(BIN)/throughline demo --data $(DATA)

test: .venv/dev ## run all tests but those that need a real Kafka
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not kafka" $(ARGS)

test-kafka: .venv/dev ## run the tests on a real Apache Kafka (needs Java 17 and Maven)
	$(BIN)/pytest -m kafka tests/integration/events tests/integration/kafka $(ARGS)

check: .venv/dev ## format, lint, types, import rules, docs
	$(BIN)/python -m tests.check

format: .venv/dev ## format the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: .venv/dev ## measure start-up, memory, and three scenarios under load
	$(BIN)/python -m tests.bench

kafka: .venv/dev ## run a real Apache Kafka on 127.0.0.1:9092 (DATA=; needs Java 17 and Maven)
	@$(BIN)/python -m tests.kafka --data $(DATA)

lock: .venv/dev ## resolve the dependencies anew
	$(BIN)/python -m uv lock --upgrade

clean: ## remove the environments and what tests left behind (not .data)
	rm -rf .venv .venv-secantusdb build dist .mypy_cache .ruff_cache && find . -name __pycache__ -prune -exec rm -rf {} +

# What it takes to run; .venv/dev adds what it takes to change it.
.venv/ready: pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: none is on the PATH (or say PYTHON=)" >&2; exit 1; }
	@echo "  · setting up .venv with $(PYTHON) (once; about a minute)"
	@$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@$(BIN)/python -m uv sync --frozen --inexact --no-default-groups --group modules --group embedded
	@touch $@

.venv/dev: .venv/ready
	@echo "  · adding the development tools to .venv" && $(BIN)/python -m uv sync --frozen && touch $@
