#!/usr/bin/env node
// Compiles Load.sol to the deploy bytecode beside it, which is committed, so that `cargo build` needs no Node.
// `--check` writes nothing and fails if the committed files are not those of the source. Needs `npm ci` in contracts/.
import { createRequire } from "node:module";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const solc = createRequire(join(here, "../../../../../contracts/package.json"))("solc");
const input = {
  language: "Solidity",
  sources: { "Load.sol": { content: readFileSync(join(here, "Load.sol"), "utf8") } },
  settings: {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 20_000 },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
if (!output.contracts) process.exit(1);

const stale = [];
for (const name of ["LoadFunder", "LoadMarket"]) {
  const code = output.contracts["Load.sol"][name].evm.bytecode.object + "\n";
  const path = join(here, `${name}.hex`);
  if (existsSync(path) && readFileSync(path, "utf8") === code) continue;
  stale.push(name);
  if (!process.argv.includes("--check")) writeFileSync(path, code);
}
if (stale.length === 0) {
  console.log("load contracts: those of the source");
} else if (process.argv.includes("--check")) {
  console.error(`load contracts: ${stale.join(", ")} differ from Load.sol; run ${process.argv[1]} and commit`);
  process.exit(1);
} else {
  console.log(`load contracts: wrote ${stale.join(", ")}`);
}
