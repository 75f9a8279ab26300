# Every command of this project. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

target := $(or $(CARGO_TARGET_DIR),target)
version := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
crates := $(notdir $(wildcard crates/*))
# The static program of the image that is released. The target is named so that build scripts stay as they are.
architecture := $(shell uname -m)-unknown-linux-gnu
static := $(target)/$(architecture)/image/bowline

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: packages ## the bowline program, optimised, in target/release
	cargo build --release -p bowline

.PHONY: demo
demo: parts := kubernetes $(if $(filter s3,$(STORE)),minio)
demo: packages control-plane ## back up, lose and restore an application on a real API server (STORE=s3, KEEP=1)
	@echo "Building Bowline (some minutes when nothing is built yet)"
	cargo build --release -p bowline -p bowline-e2e
	$(target)/release/demo

.PHONY: test
test: packages control-plane ## all tests, from unit tests to the real API server and object store
	@echo "Building Bowline and its tests (some minutes when nothing is built yet)"
	cargo build --workspace --all-targets
	mkdir -p .cache
	status=0
	cargo test --workspace --no-fail-fast 2>&1 | tee .cache/test.log || status=$$?
	awk -f e2e/summary.awk .cache/test.log
	exit $$status

.PHONY: e2e
e2e: packages control-plane ## only the tests against the real API server and object store
	cargo build -p bowline
	cargo test -p bowline-e2e

.PHONY: image
image: static ## the container image that is released, in target/bowline-image.tar
	deploy/image $(static) bowline:v$(version) $(target)/bowline-image.tar
	ls -lh $(target)/bowline-image.tar

.PHONY: image-test
image-test: static control-plane ## the tests on a node that runs pods, with the image that is released
	BOWLINE_BIN=$(abspath $(static)) cargo test -p bowline-e2e --test node

.PHONY: node
node: program := $(if $(filter release,$(IMAGE)),$(static),$(target)/debug/bowline)
node: packages control-plane ## a cluster whose node runs pods, in .cache/node, with Bowline's image (IMAGE=release; ends by clean-cluster)
	$(if $(filter release,$(IMAGE)),$(MAKE) static,cargo build -p bowline)
	cluster/up .cache/node --with-minio --with-node
	deploy/image $(program) docker.io/local/bowline:dev .cache/node/bowline.tar
	cluster/import .cache/node .cache/node/bowline.tar
	@echo "cluster/enter .cache/node        # a shell there, with kubectl; the image is docker.io/local/bowline:dev"

.PHONY: check
check: packages ## formatting, lints, licences, layering; no tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo run -q -p xtask -- verify
	cluster/tools/packages shellcheck=shellcheck
	shellcheck -x -P SCRIPTDIR cluster/{up,down,run,enter,import,processes.sh,node.sh} cluster/tools/{build,packages,image} cluster/sample/apply deploy/image .ci/run
	PATH=$$PATH:$(CURDIR)/.cache/cargo/bin
	command -v cargo-deny >/dev/null || {
		echo "installing cargo-deny into .cache/cargo (once, some minutes)"
		cargo install --quiet --locked --root .cache/cargo cargo-deny
	}
	cargo deny check bans licenses sources
	for crate in $(crates); do
		name=$$(sed -n 's/^name = "\(.*\)"/\1/p' "crates/$$crate/Cargo.toml" | head -n 1)
		echo "does $$name build alone?"
		cargo check -q -p "$$name"
	done

.PHONY: bench
bench: parts := kubernetes
bench: packages control-plane ## measure backup and restore beside the floor of a raw client
	cargo build --release -p bowline -p bowline-bench
	cargo run --release -p bowline-bench

.PHONY: bench-kopia
bench-kopia: packages ## measure Kopia repositories beside tar, find, cp, restic and (if it is there) Kopia
	@cluster/tools/packages restic=restic
	cargo build --release -p bowline-bench-kopia
	$(target)/release/bowline-bench-kopia $(BENCH_FLAGS)

.PHONY: soak
soak: packages control-plane ## kill servers at each of their calls and, 200 times, at random moments (SOAK_KILLS, SEED)
	BOWLINE_CRASH_POINTS=all cargo test -p bowline-server --test crash -- --nocapture
	cargo build --release -p bowline
	SOAK_KILLS="$${SOAK_KILLS:-200}" BOWLINE_BIN="$(abspath $(target))/release/bowline" cargo test -p bowline-e2e --test it soak:: -- --nocapture
	cargo test --release -p bowline-kopia --lib -- --ignored --nocapture ten_thousand_random_operations

.PHONY: gen
gen: ## write again what is generated
	cargo run -q -p xtask -- gen

.PHONY: clean-cluster
clean-cluster: ## end what KEEP=1 left running and delete the states of demo and tests
	cluster/down demo/cluster --wipe
	cluster/down .cache/node --wipe
	rm -rf demo .cache/e2e .cache/node

# What the others stand on.
.PHONY: static
static: export BOWLINE_GIT_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
static: packages
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile image --target $(architecture) -p bowline

.PHONY: packages
packages:
	@cluster/tools/packages cc=build-essential etcd=etcd-server openssl=openssl
	for tool in cargo go; do
		command -v $$tool >/dev/null || { echo "missing: $$tool; see README.md for what is needed" >&2; exit 1; }
	done

.PHONY: control-plane
control-plane:
	@cluster/tools/build $(parts) >/dev/null
