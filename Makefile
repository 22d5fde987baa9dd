# dacha: `make` lists what can be made. The work is in scripts/.

.DEFAULT_GOAL := help
.PHONY: help box test lint bench wheel setup setup-test

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# CMD travels through the environment, and unexpanded, so that quotes and
# dollars survive. make turns every failure into its own exit code 2; where the
# exact code matters, call scripts/box.
unexport CMD
box: export BOX_CMD := $(value CMD)
box: ## a shell in the default box, or CMD='...' in it
	@scripts/box $${BOX_CMD:+"$$BOX_CMD"}

test: ## everything: linters and all tests
	@scripts/test

lint: setup-test ## the linters alone
	@scripts/lint

bench: ## measurements against peers
	@scripts/setup bench
	@bench/run

wheel: setup-test ## dist/dacha-VERSION-py3-none-any.whl
	@.venv/bin/python -m pip wheel -q --no-deps -w dist .

setup: ## what running dacha needs, and dacha in .venv
	@scripts/setup runtime

setup-test: ## what the tests need as well
	@scripts/setup test
