# Every target does what set-up it needs; what is there already costs a fraction of a second.
# ARGS is handed on:  make test ARGS="-m unit"

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SETUP = @python=$$(sh setup/python) && "$$python" setup
# What tests run beside Debian's packages of the system.
TOOLS = @$(BIN)/fakevm tool install >/dev/null
BIN = .venv/bin
# Two files of tests at once, each wholly in one process: labs wait for much of their time. ARGS="-n 0": one after another.
BESIDE = -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-all debian13 lint format pictures bench setup doctor clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## Set everything up, then show the main job: a lab, guests that ping one another, a migration
	$(SETUP)
	@examples/demo.sh $(ARGS)

test: ## Set everything up, then run every test but the slow ones
	$(SETUP)
	$(TOOLS) bird frr
	@$(BIN)/python -m pytest $(BESIDE) $(ARGS)

test-all: ## Also the slow tests: every example, every contract, each kill and race many times
	$(SETUP)
	$(TOOLS) bird criu frr qemu tiny-vm
	@$(BIN)/python -m pytest --slow $(ARGS)

debian13: ## The demo in a fresh Debian 13, in namespaces of its own (ARGS: another command)
	$(SETUP) packages
	@setup/fresh-debian.sh trixie $(or $(ARGS),make demo)

lint: ## Style, types and the direction of imports; all of them, also when one complains
	$(SETUP) packages fakevm
	@status=0; \
	export PYTHONPATH=src/fakevm/in_neutron; \
	for tool in "ruff check ." "ruff format --check ." "mypy" "lint-imports --no-logo"; do \
		echo "== $$tool"; $(BIN)/$$tool || status=1; \
	done; exit $$status

format: ## Bring the code into its form
	$(SETUP) packages fakevm
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

pictures: ## Draw the pictures of the examples anew (needs Graphviz: apt-get install graphviz)
	$(SETUP) packages fakevm
	@for file in examples/*/lab.yaml; do $(BIN)/fakevm graph $$file -o $${file%lab.yaml}picture.svg || exit; done

bench: ## Set everything up, then measure: a table and JSON
	$(SETUP)
	@bench/run $(ARGS)

setup: ## Only the set-up: system packages, FakeVM's environment, Neutron's
	$(SETUP)

doctor: ## What this machine has, and what each missing thing switches off
	$(SETUP) packages fakevm
	@$(BIN)/fakevm doctor $(ARGS)

clean: ## Remove the environment and what tools left in the checkout (Neutron's is in the cache: fakevm release remove)
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache src/*.egg-info
