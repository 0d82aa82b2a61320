# make: the targets. make run and make test need Python 3.11 to 3.13, Java 17 or 21, and a package registry.
CUSTOMERS ?= 3000
NIGHTS ?= 3
SEED ?= 20260701
DEMO ?= out/demo
LANDING ?= $(DEMO)/landing
WAREHOUSE ?= $(DEMO)/warehouse
TRUTH ?= $(DEMO)/truth/entity_map.csv
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
TEST_INSTALLED := $(VENV)/.installed-test
SETTINGS := $(CUSTOMERS) customers, $(NIGHTS) nights, seed $(SEED)

# The first Python on the path that the package runs on.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' >/dev/null 2>&1 && { echo $$p; break; }; done)
PYTHON_HINT = Python 3.11, 3.12 or 3.13 is missing: install it (Debian/Ubuntu: apt install python3 python3-venv) or give PYTHON=
VENV_HINT = Python cannot make virtual environments: install them (Debian/Ubuntu: apt install python3-venv)
# The Java that Spark will start, and its version: 17, 21; 8 calls itself 1.8.
JAVA := $(if $(JAVA_HOME),$(JAVA_HOME)/bin/java,java)
JAVA_FOUND = $(shell "$(JAVA)" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1)
JAVA_HINT = install Java 17 or 21 (Debian/Ubuntu: apt install openjdk-17-jre-headless) or set JAVA_HOME
COMMA := ,

.DEFAULT_GOAL := help
.PHONY: help run test check soak clean lock wheel zip needs-python needs-java
.DELETE_ON_ERROR:

help: ## List the targets
	@echo "usage: make TARGET [CUSTOMERS=3000] [NIGHTS=3] [DEMO=out/demo]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1	\2/p' Makefile | expand -t 12

# Simulated once: another size must not be mixed into tables that already hold the first.
run: $(INSTALLED) ## Simulate a small retailer, run its nights, print a summary and the report's path
	@made="$(DEMO)/.simulated"; \
	if test ! -e "$$made"; then \
	  $(BIN)/padron simulate "$(DEMO)" --customers $(CUSTOMERS) --nights $(NIGHTS) --seed $(SEED) && \
	  echo "$(SETTINGS)" > "$$made"; \
	elif test "$$(cat "$$made")" != "$(SETTINGS)"; then \
	  echo "$(DEMO) holds $$(cat "$$made"): run 'make clean', or give another folder with DEMO=." >&2; exit 2; \
	fi
	@$(BIN)/padron run --landing "$(LANDING)" --warehouse "$(WAREHOUSE)" --truth "$(TRUTH)"

test: $(TEST_INSTALLED) ## Run the tests; what was skipped is listed with its reason
	@$(BIN)/python -m pytest -m "not soak" -n 2 $(PYTEST_ARGS)

check: $(TEST_INSTALLED) ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict pipelines

soak: $(TEST_INSTALLED) ## Run the long checks (tens of minutes)
	@$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

clean: ## Remove the demo, build products and caches; the environment stays
	rm -rf out/demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis spark-warehouse metastore_db derby.log
	find pipelines tests jobs notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

lock: | needs-python ## Write requirements.lock anew from the newest versions that pyproject.toml allows
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check install --quiet -e '.[test]'
	{ echo '# Versions that were tested together; pip takes them as constraints (-c). Made by `make lock`.'; \
	  build/lock/bin/python -m pip freeze --exclude-editable; } > build/requirements.lock
	mv build/requirements.lock requirements.lock
	rm -rf build/lock

wheel: $(INSTALLED) ## Build the wheel into dist/
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

# The same content under another name: executors import from a .zip, and not from a .whl.
zip: wheel ## Build dist/padron.zip, for spark-submit --py-files
	cp "$$(ls -t dist/padron-*.whl | head -n 1)" dist/padron.zip

needs-python:
	@$(if $(shell $(or $(PYTHON),false) -c '$(FITS)' 2>/dev/null && echo fits),,$(error $(PYTHON_HINT)))
	@$(if $(shell $(or $(PYTHON),false) -c 'import ensurepip, venv' 2>/dev/null && echo can),,$(error $(VENV_HINT)))

needs-java:
	@$(if $(filter 17 21,$(JAVA_FOUND)),,$(error $(if $(JAVA_FOUND),Java $(JAVA_FOUND) was found$(COMMA) Spark 4.1 needs 17 or 21,Java is missing): $(JAVA_HINT)))

$(INSTALLED): pyproject.toml requirements.lock | needs-python needs-java
	@echo "Installing padron into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --quiet -c requirements.lock -e .
	@touch $@

$(TEST_INSTALLED): $(INSTALLED)
	@echo "Installing the test extras into $(VENV)"
	@$(PIP) install --quiet -c requirements.lock -e '.[test]'
	@touch $@
