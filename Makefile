# Two commands, each from nothing on a Debian 12 machine with Python, git and make:
#   sudo make demo    build a small cloud on this machine, check it with real packets, take it away again
#   sudo make test    every check of the project
# Both install what is missing (Debian packages, a venv in .venv) and leave what is there alone.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PACKAGES := openvswitch-switch mininet ethtool iperf3 isc-dhcp-client iputils-ping iputils-arping \
            traceroute tcpdump iproute2 procps ca-certificates qemu-system-x86 keepalived
# Needed only where the Python that is used is Debian's own.
DEBIAN_VENV := python3-venv

VENV := .venv
BIN  := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first of these that is 3.11 or newer; a venv can be made from it once `system` has run.
PYTHON = $(shell for p in python3.11 python3 python3.12 python3.13; do \
           $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
APT := DEBIAN_FRONTEND=noninteractive apt-get -q=2 -o DPkg::Lock::Timeout=300

.PHONY: help demo test lint types pytest test-guest test-flood docs bench root system venv venv-jdc guest-image test-leaves clean

help:
	@sed -n '2,4s/^# \{0,1\}//p' Makefile

demo: venv
	$(BIN)/sdnctl demo

test: lint types pytest

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy --strict sdnctl apps

# Two workers a core, since tests wait for half of their time; each in network and mount namespaces of its own: what
# needs the outside is fetched before.
WORKERS ?= $(shell echo $$((2 * $$(nproc))))
pytest: venv venv-jdc guest-image
	$(BIN)/python -m pytest --dist=loadscope --tx "$(WORKERS)*popen//python=$(CURDIR)/tests/isolated $(CURDIR)/$(BIN)/python" $(PYTEST_ARGS)

# Only the test with a real virtual machine (QEMU, no hardware help); `make pytest` runs it too.
test-guest: venv guest-image
	$(BIN)/python -m pytest tests/guest $(PYTEST_ARGS)

# Every question flooded, with times and floods from outside judged too: nothing else may run on the machine.
test-flood: venv
	tests/isolated $(BIN)/python -m pytest tests/packet/test_question_flood.py --alone $(PYTEST_ARGS)

# The tree without each feature that no other one needs.
test-leaves: venv
	$(BIN)/python -m tests.leaves $(LEAVES)

# The pages that are generated from the code; a test fails when they are stale.
docs: venv
	@mkdir -p docs
	$(BIN)/python -m sdnctl.docs >docs/pipeline.md
	$(BIN)/python -m sdnctl.api.docs >docs/api.md
	$(BIN)/python -m sdnctl.rooms docs/architecture.md

# Each measures one thing and prints its figures; BENCH names one, such as BENCH=encode.
BENCH ?= $(patsubst bench/%.py,%,$(shell grep -l __main__ bench/*.py))
bench: venv
	@for name in $(BENCH); do echo "== $$name"; $(BIN)/python -m bench.$$name; done

root:
	@[ "$$(id -u)" = 0 ] || { echo "namespaces, switches and packages need root: run 'sudo make $(or $(MAKECMDGOALS),test)'" >&2; exit 1; }

# Open vSwitch is wanted as programs: demo and tests start private ones. Where no init system runs, its package
# must not start daemons that nobody would ever stop.
system: root
	@missing=(); for p in $(PACKAGES); do \
	    [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || missing+=($$p); done; \
	[ -n "$(PYTHON)" ] && "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || missing+=($(DEBIAN_VENV)); \
	[ $${#missing[@]} -gt 0 ] || exit 0; \
	echo "installing: $${missing[*]}"; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -d /run/systemd/system ] && [ ! -e $$policy ]; then \
	    trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; fi; \
	log=$$(mktemp); \
	{ $(APT) update && $(APT) install -y --no-install-recommends "$${missing[@]}"; } >$$log 2>&1 \
	    || { cat $$log >&2; echo "apt-get could not install what is missing: see above" >&2; exit 1; }; \
	rm -f $$log

venv: system
	@$(MAKE) --silent --no-print-directory $(STAMP)

# An editable install: it goes stale only with the list of what it needs.
$(STAMP): setup.cfg pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.11 or newer found: apt-get install python3" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@[ -x $(BIN)/python ] && $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || "$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --use-pep517 --disable-pip-version-check --root-user-action=ignore \
	    --editable '.[bench]'
	@touch $@

# The public cloud's own command line, which pins an SDK of its own: the tests drive a region with it.
venv-jdc: venv
	@$(BIN)/python -m tests.api.jdc

# The kernel and the root file system of the test with a virtual machine, from Debian's packages.
guest-image: venv
	@$(BIN)/python -m tests.guest.image

clean:
	rm -rf $(VENV) .venv-jdc build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
