#!/usr/bin/env node
// Keeps the storage layouts of all contracts that run behind proxies in `storage/`, which is committed. Reads what
// `artifacts.mjs` has built. `--check` writes nothing and fails if a committed layout is not that of the sources. Without
// it a layout is written only if a proxy survives the change, unless `--incompatible` says that no proxy is out yet.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { incompatibilities, normalise } from "./layout.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [check, incompatible] = ["--check", "--incompatible"].map((flag) => process.argv.includes(flag));

/** Behind proxies; and those that are initialized too, but as clones, whose code stays. */
const UPGRADEABLE = ["BatchInbox", "ForcedQueue", "LockingPool", "RewardSchedule", "Slasher"];
const CLONED = ["LiquidStakingVault"];

/** Contracts of ours that can be initialized. */
function initializable() {
  const ours = readdirSync(join(root, "src"), { recursive: true }).filter((path) => path.endsWith(".sol"));
  const artifacts = ours.flatMap((path) => {
    const folder = join(root, "out/artifacts", path.split("/").at(-1));
    return existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
  });
  return artifacts
    .map((path) => [path.split("/").at(-1).replace(".json", ""), JSON.parse(readFileSync(path, "utf8"))])
    .filter(([, { abi, bytecode }]) => bytecode.object !== "0x" && abi.some(({ type, name }) => type === "function" && name === "initialize"));
}

const found = initializable().filter(([name]) => !CLONED.includes(name));
const [names, expected] = [found.map(([name]) => name).sort().join(), UPGRADEABLE.join()];
if (names !== expected) throw new Error(`out/artifacts has ${names || "nothing"} to be initialized, not ${expected}: run artifacts.mjs first, or list here what is new`);
mkdirSync(join(root, "storage"), { recursive: true });
const problems = [];
const written = [];
for (const [name, { storageLayout }] of found) {
  const path = join(root, `storage/${name}.json`);
  const layout = normalise(storageLayout);
  const text = JSON.stringify(layout, null, 1) + "\n";
  const committed = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (committed === text) continue;
  const broken = committed === undefined ? [] : incompatibilities(JSON.parse(committed), layout);
  const what = committed === undefined ? "is not committed" : broken.length === 0 ? "has grown" : `would break a proxy: ${broken.join("; ")}`;
  if (check || (broken.length !== 0 && !incompatible)) {
    problems.push(`storage layout of ${name} ${what}`);
  } else {
    writeFileSync(path, text);
    written.push(name);
  }
}
for (const file of readdirSync(join(root, "storage"))) {
  const name = file.replace(".json", "");
  if (!found.some(([contract]) => contract === name)) problems.push(`storage/${file} is of no contract that can be upgraded`);
}

if (problems.length !== 0) {
  console.error([...problems, "storage: run `npm run artifacts` and commit; append variables, and move none"].join("\n"));
  process.exit(1);
}
console.log(check ? "storage: layouts are those of the sources" : written.length === 0 ? "storage: nothing changed" : `storage: wrote ${written.join(", ")}`);
