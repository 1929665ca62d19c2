# Entry points for people and for continuous integration. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install check test quickstart down bench build format clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

install: node_modules/.package-lock.json ## Debian packages (as root) and node_modules, what is missing of them
	@./tools/install.sh

# Without lifecycle scripts nothing of a package runs while it is installed. npm writes this file last.
node_modules/.package-lock.json: package-lock.json
	npm ci --ignore-scripts --loglevel=error --no-update-notifier
	@touch $@

check: node_modules/.package-lock.json ## format, lint, types, unused code, unit tests: under two minutes, no root
	@npm run --silent check

test: install ## everything: check, then real daemons, whole systems, other people's clients, crashes
	@npm run --silent test

quickstart: install ## the tour on a real SAN and a real guest; leaves the controller running
	@./tools/run node lab/quickstart.ts

down: node_modules/.package-lock.json ## ends what quickstart started and leaves nothing
	@./tools/run node lab/down.ts

bench: install ## measurements, as ratios against the raw path
	@npm run --silent bench

build: node_modules/.package-lock.json ## JavaScript and declarations of every package, into dist/
	@npm run --silent build

format: node_modules/.package-lock.json ## formats every file
	@npm run --silent format

clean: ## removes what was built and installed; data of quickstart stays
	rm -rf dist node_modules
