#!/usr/bin/env node
// Lines and branches of src/ that the tests run, without devnet/: prints them by file, and fails if either is below 95 % in
// all. Without the IR and the optimizer, which would move code about. Takes a minute or two, so `npm test` leaves it out.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const LEAST = 0.95;
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const report = join(root, "out/coverage/lcov.info");
mkdirSync(dirname(report), { recursive: true });

const began = Date.now();
const command = ["coverage", "--report", "lcov", "--report-file", report, "--exclude-tests", "--out", "out/coverage", "--cache-path", "cache/coverage"];
// Fewer runs than in `npm test`: what is never reached by these is not covered by chance either. Snapshots are of other builds.
const env = { ...process.env, FOUNDRY_FUZZ_RUNS: "32", FOUNDRY_INVARIANT_RUNS: "8", FORGE_SNAPSHOT_EMIT: "false" };
const { status, stdout, stderr } = spawnSync(join(root, "node_modules/.bin/forge"), command, { cwd: root, env, encoding: "utf8", maxBuffer: 1 << 28 });
if (status !== 0) {
  const failed = stdout.split("\n").filter((line) => line.includes("[FAIL"));
  console.error([...new Set(failed), stderr, `coverage: forge ended with ${status}`].join("\n"));
  process.exit(1);
}

/** Of lcov's records: BRDA and DA lines end in how often, "-" or 0 for never. */
function covered(record, tag) {
  const lines = record.split("\n").filter((line) => line.startsWith(`${tag}:`));
  return { hit: lines.filter((line) => !/,(0|-)$/.test(line)).length, all: lines.length };
}

const files = readFileSync(report, "utf8")
  .split("end_of_record")
  .map((record) => ({ file: /^SF:(.*)$/m.exec(record)?.[1], lines: covered(record, "DA"), branches: covered(record, "BRDA") }))
  .filter(({ file }) => file?.startsWith("src/") && !file.startsWith("src/devnet/"))
  .sort((a, b) => (a.file < b.file ? -1 : 1));
if (files.length === 0) throw new Error("the report names no file of src/");

const sum = (part) => files.reduce((total, file) => ({ hit: total.hit + file[part].hit, all: total.all + file[part].all }), { hit: 0, all: 0 });
const total = { file: "in all", lines: sum("lines"), branches: sum("branches") };
const share = ({ hit, all }) => (all === 0 ? "-" : `${((100 * hit) / all).toFixed(1)} % (${hit}/${all})`);
const row = (file, lines, branches) => console.log(`${file.padEnd(34)} ${lines.padStart(20)} ${branches.padStart(20)}`);
row("", "lines", "branches");
for (const { file, lines, branches } of [...files, total]) row(file, share(lines), share(branches));
console.log(`coverage: ${Math.round((Date.now() - began) / 1000)} s`);

const low = ["lines", "branches"].filter((part) => total[part].hit < LEAST * total[part].all);
if (low.length !== 0) {
  console.error(`coverage: less than ${100 * LEAST} % of ${low.join(" and of ")}`);
  process.exit(1);
}
