# One command for each thing a developer does. What it does is in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# `make lab NAME`: what follows is no target.
ifeq (lab,$(firstword $(MAKECMDGOALS)))
LABS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
ifneq ($(LABS),)
$(eval $(LABS):;@:)
endif
endif
.PHONY: help demo lab test test-guest check bench fuzz asan bless deny clean-net fresh-root-demo
.PHONY: fresh-root-test

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

demo: ## capture real traffic between two network namespaces, and print it
	@scripts/setup demo
	@scripts/demo

lab: ## `make lab NAME` runs a story with a known answer and shows its trails; alone it lists them
	@scripts/setup test
	@scripts/lab $(LABS)

test: ## install what is missing and run every test
	@scripts/setup test
	@scripts/test

test-guest: ## tests under the stock kernels 6.1 and 6.12, in guests that QEMU emulates
	@scripts/setup test
	@scripts/test --guests

check: ## format, clippy, documentation, tidy, public API, licences
	@scripts/check

bench: ## the live comparison with other capture programs
	@scripts/setup test bench
	@scripts/bench

fuzz: ## run each fuzz target for FUZZ_SECONDS (default 60); needs a C++ compiler
	@scripts/fuzz

asan: ## the ring's unit tests under AddressSanitizer
	@scripts/asan

bless: ## write the golden files and the list of the public API anew
	@scripts/setup test
	@scripts/bless

deny: ## licences, bans, sources and advisories by cargo-deny, which it installs
	@scripts/deny --install

clean-net: ## remove network namespaces and interfaces that a killed run left behind
	@scripts/clean-net

fresh-root-demo: ## `make demo` in a new Debian 12 made by debootstrap
	@scripts/fresh-root demo

fresh-root-test: ## `make check` and `make test` in a new Debian 12 made by debootstrap
	@scripts/fresh-root check test
