# What there is to do here. Every target is a short script in scripts/, so that it can be read and run alone.

# Builds are kept outside the checkout: a second clone on this machine starts warm.
CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/elt/target
export CARGO_TARGET_DIR

.DEFAULT_GOAL := help
.PHONY: help run demo test faults upgrade-test year fuzz lint supply schemathesis coverage bench dashboard release

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## build everything and start `elt up` (database, API, dashboard, a worker) at 127.0.0.1:8080
	@scripts/run.sh

demo: ## build everything, load real public data through API, queue and worker, and show what came of it
	@scripts/demo.sh

test: ## run the linters and all tests: Rust, dashboard, browser
	@scripts/test.sh

faults: ## kill, freeze, cut off and restart real workers and databases for some minutes (ELT_FAULT_ROUNDS repeats)
	@scripts/faults.sh

year: ## a year of runs, log lines and files, what retention leaves of it, and how long that takes (some 6 GB of disk)
	@scripts/year.sh

upgrade-test: ## this program beside the one of an earlier git ref (REF=v0.1.0; default: the newest tag)
	@scripts/upgrade-test.sh $(REF)

fuzz: ## odd files and configs by the million, two minutes each
	@scripts/fuzz.sh

lint: ## formatting, clippy, rustdoc, dependencies, shell scripts, example configs, deployment files, dashboard
	@scripts/lint.sh

supply: ## advisories, licences and sources of all dependencies
	@scripts/supply.sh

schemathesis: ## thousands of odd requests to a fresh `elt up`, for 20 minutes, as admin, analyst, API token and nobody at once
	@scripts/schemathesis.sh

coverage: ## line coverage of the Rust tests, imported for the dashboard
	@scripts/coverage.sh

bench: ## speed and memory, as ratios to psql \copy in the same session (a release build)
	@scripts/bench.sh

dashboard: ## build the dashboard alone
	@scripts/dashboard.sh

release: ## the archive of a release with its bills of materials, in dist/
	@scripts/release.sh
