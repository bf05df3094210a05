#!/usr/bin/env node
// Copies what Rust needs of forge's output (ABI and deploy bytecode) to `artifacts/`, which is committed, so that
// `cargo build` needs no Node. `--check` writes nothing and fails if the committed files are not those of the sources.
import { execFileSync } from "node:child_process";
import { readFileSync, mkdirSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = [
  "Applications",
  "BatchInbox",
  "ForcedQueue",
  "HoraeGovernor",
  "LiquidStakingFactory",
  "LiquidStakingVault",
  "LockingEscrow",
  "LockingPool",
  "ProxyAdmin",
  "RewardSchedule",
  "Slasher",
  "StakeVotes",
  "TestMetis",
  "Timelock",
  "TransparentUpgradeableProxy",
  "VotingMetis",
  "VotingPower",
];
// Contracts that are on L2 from block 0 on: of these it is the code as it lies there, which must not depend on a constructor.
const PREDEPLOYS = ["FeePot", "SequencerSet"];
const root = dirname(fileURLToPath(import.meta.url));

// In one go and apart from the tests' output: through the IR, bytecode may depend on what else is compiled with it.
const build = ["build", "src", "--force", "--extra-output", "storageLayout", "--out", "out/artifacts", "--cache-path", "cache/artifacts"];
execFileSync(join(root, "node_modules/.bin/forge"), build, { cwd: root, stdio: "inherit" });

const stale = [];
for (const name of [...CONTRACTS, ...PREDEPLOYS]) {
  const output = JSON.parse(readFileSync(join(root, `out/artifacts/${name}.sol/${name}.json`), "utf8"));
  const kind = PREDEPLOYS.includes(name) ? "deployedBytecode" : "bytecode";
  const { object, linkReferences, immutableReferences } = output[kind];
  if (Object.keys(linkReferences).length !== 0) throw new Error(`${name} would have to be linked`);
  if (Object.keys(immutableReferences ?? {}).length !== 0) throw new Error(`${name} has immutables, which nobody sets`);
  const artifact = JSON.stringify({ contractName: name, abi: output.abi, [kind]: { object } }, null, 1) + "\n";
  const path = join(root, `artifacts/${name}.json`);
  if (existsSync(path) && readFileSync(path, "utf8") === artifact) continue;
  stale.push(name);
  if (process.argv.includes("--check")) continue;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, artifact);
}

if (!process.argv.includes("--check")) {
  console.log(stale.length === 0 ? "artifacts: nothing changed" : `artifacts: wrote ${stale.join(", ")}`);
} else if (stale.length !== 0) {
  console.error(`artifacts: ${stale.join(", ")} differ from the sources; run \`npm run artifacts\` and commit`);
  process.exit(1);
} else {
  console.log("artifacts: those of the sources");
}
