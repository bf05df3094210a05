#!/usr/bin/env node
// Keeps the sizes of all contracts of ours in SIZES.json, which is committed. Reads what `artifacts.mjs` has built. `--check` writes
// nothing and fails if a size is not the committed one. What L1 would not take fails either way.
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** EIP-170, and EIP-3860: bytes of a contract's code, and of the code that makes it, arguments left out. */
const MOST = { runtime: 24_576, creation: 49_152 };

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const path = join(root, "SIZES.json");

const bytes = ({ object }) => (object.length - 2) / 2;
const sources = readdirSync(join(root, "src"), { recursive: true }).filter((file) => file.endsWith(".sol"));
const sizes = {};
for (const source of sources.map((file) => file.split("/").at(-1)).sort()) {
  const folder = join(root, "out/artifacts", source);
  for (const file of existsSync(folder) ? readdirSync(folder).sort() : []) {
    const { bytecode, deployedBytecode } = JSON.parse(readFileSync(join(folder, file), "utf8"));
    // A library whose functions are all internal has a few bytes of its own that nobody deploys.
    if (bytes(deployedBytecode) > 100) {
      sizes[file.replace(".json", "")] = { runtime: bytes(deployedBytecode), creation: bytes(bytecode) };
    }
  }
}
if (Object.keys(sizes).length === 0) throw new Error("out/artifacts is empty: run artifacts.mjs first");

const tooLarge = Object.entries(sizes).flatMap(([name, size]) =>
  Object.keys(MOST)
    .filter((kind) => size[kind] > MOST[kind])
    .map((kind) => `${name}: ${size[kind]} bytes of ${kind} code, ${MOST[kind]} are the most`),
);
const text = JSON.stringify(sizes, null, 1) + "\n";
const check = process.argv.includes("--check");
const stale = (existsSync(path) ? readFileSync(path, "utf8") : "") !== text;
if (stale && !check) writeFileSync(path, text);
for (const problem of tooLarge) console.error(`sizes: ${problem}`);
if (stale && check) console.error("sizes: SIZES.json is not what the sources give; run `npm run artifacts` and commit");
if (tooLarge.length !== 0 || (stale && check)) process.exit(1);
console.log(stale ? "sizes: wrote SIZES.json" : "sizes: as committed");
