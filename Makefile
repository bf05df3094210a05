# The commands a person needs. Each does all its own set-up on a machine with Rust, a C compiler and Node.

CARGO ?= cargo
CONTRACTS_TOOLS = contracts/node_modules/.package-lock.json

.PHONY: devnet chaos simulate-long test bench bench-full lint build tools clean

## Four nodes on a real L1 (anvil), everything real. Ctrl-C stops it. Options: make devnet ARGS="--load 200"
devnet: build tools
	target/release/horae devnet $(ARGS)

## Four real nodes under load whose sequencer is killed and stopped, 100 times. Options: make chaos ARGS="--kills 10 --delay-ms 50"
chaos: tools
	$(CARGO) build --release --locked --workspace --bins --test chaos
	target/release/chaos $(ARGS)

## The long run of the simulator, some fifty minutes on two cores; the outcome is kept in tests/simulated.json, with the commit that it is of.
SEEDS ?= 10000
simulate-long:
	$(CARGO) build --release --locked --workspace --bins --test simulator
	target/release/simulate --seeds $(SEEDS) --events 20000 --json > target/simulated.json
	node -p 'JSON.stringify({commit: "'$$(git rev-parse HEAD)'", ...JSON.parse(require("fs").readFileSync("target/simulated.json"))}, null, 2)' > tests/simulated.json

## The binary.
build:
	$(CARGO) build --release --locked -p horae-cli

## Foundry's tools and solc, pinned, from npm. (Not `npm ci`: it wants the tools of every platform, and not every registry has them.)
tools: $(CONTRACTS_TOOLS)

$(CONTRACTS_TOOLS): contracts/package-lock.json
	cd contracts && npm install --no-save --no-audit --no-fund

## Formatting, lints, contract tests, Rust tests: pure parts, whole nodes, real processes.
test: tools
	tests/run

## Format checks, lints (slither, which needs python3, among them) and the contracts' tests and coverage.
lint: tools
	tests/run lint

## What Horae costs and how fast it is, beside its peers in the same run: a table, target/bench/report.json, target/bench/index.html. Some fifteen
## minutes. `make bench-full` adds all sweeps. Options: make bench ARGS="--only stage/ --rounds 9". criterion benches of the parts: cargo bench.
bench bench-full: tools
	$(CARGO) build --release --locked --workspace --bins --benches
	target/release/bench $(if $(filter bench-full,$@),--full) $(ARGS)

clean:
	$(CARGO) clean
	rm -rf contracts/out contracts/cache contracts/node_modules contracts/.venv
