#!/usr/bin/env node
// Writes GAS.md from `snapshots/`, which the tests make (`test/Gas*.t.sol`, `test/Frost.t.sol`); `--check` writes nothing and
// fails if it is not what the snapshots say. A snapshot that no table has, or a row that has no snapshot, fails either way.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const path = join(root, "GAS.md");

const left = new Map();
for (const file of readdirSync(join(root, "snapshots"))) {
  const group = JSON.parse(readFileSync(join(root, "snapshots", file), "utf8"));
  for (const [name, gas] of Object.entries(group)) left.set(`${basename(file, ".json")}: ${name}`, Number(gas));
}
function take(key) {
  const gas = left.get(key);
  if (gas === undefined) throw new Error(`no snapshot "${key}"`);
  left.delete(key);
  return gas;
}
const number = (n) => n.toLocaleString("en-US");
const table = (head, rows) => [head, head.map((_, i) => (i === 1 ? "--:" : "---")), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

// What the incumbent has for each, by its sources; its gas is published nowhere that we know of.
const NONE = "-";
const INCUMBENT = {
  "LockingPool: lockFor": "`lockFor`; no proof by the signer, whose key is given whole",
  "LockingPool: lockWithRewardRecipient": "`lockWithRewardRecipient`",
  "LockingPool: increaseStake": "`relock`",
  "LockingPool: relock": "`relock` with rewards",
  "LockingPool: withdraw": "`withdraw`, which pays at once",
  "LockingPool: claimWithdrawals": `${NONE} (no delay)`,
  "LockingPool: withdrawRewards": "`withdrawRewards`, and a message over its bridge, paid apart",
  "LockingPool: updateSigner": "`updateSigner`",
  "LockingPool: updateNodeKey": `${NONE} (node and signer key are one)`,
  "LockingPool: setRewardRecipient": "`setSequencerRewardRecipient`",
  "LockingPool: proposeOwner": `${NONE} (one step)`,
  "LockingPool: acceptOwner": "`setSequencerOwner`",
  "LockingPool: unlock": "`unlock`, and a message over its bridge, paid apart",
  "LockingPool: unlock, forty wait": `${NONE} (no queue)`,
  "LockingPool: unlockClaim": "`unlockClaim`, and a message over its bridge, paid apart",
  "LockingPool: forceUnlock": "`forceUnlock`",
  "LockingPool: release": `${NONE} (no jail)`,
  "LockingPool: setWhitelist": "`setWhitelist`",
  "LockingPool: setMaxValidators": NONE,
  "LockingPool: setChangeInterval": "`setSignerUpdateThrottle`",
  "LockingPool: setGuardian": NONE,
  "LockingPool: pause": "`setPause`",
  "LockingPool: unpause": "`setPause`",
  "BatchInbox: submit, 1 kB": "a transfer with data to an address without code: nothing is checked on L1",
  "BatchInbox: submit, 100 kB": "the same; or blobs",
  "BatchInbox: submit, 4 bytes and two forced transactions": "the same; no queue is enforced",
  "BatchInbox: installFirstKey, 4 validators": "`updateMpc`, by the owner, unchecked",
  "BatchInbox: installFirstKey, 10 validators": "the same",
  "BatchInbox: installFirstKey, 40 validators": "the same",
  "BatchInbox: rotate, 4 validators": "the same",
  "BatchInbox: rotate, 10 validators": "the same",
  "BatchInbox: rotate, 40 validators": "the same",
  "BatchInbox: startEmergencyRotation, 4 validators": NONE,
  "BatchInbox: startEmergencyRotation, 10 validators": NONE,
  "BatchInbox: startEmergencyRotation, 40 validators": NONE,
  "BatchInbox: finishEmergencyRotation, 4 validators": NONE,
  "BatchInbox: finishEmergencyRotation, 10 validators": NONE,
  "BatchInbox: finishEmergencyRotation, 40 validators": NONE,
  "ForcedQueue: enqueue, first": "`enqueue` of its `CanonicalTransactionChain`",
  "ForcedQueue: enqueue, deposit with 256 bytes": "the same",
  "ForcedQueue: withdraw": NONE,
  "ForcedQueue: setFloor": NONE,
  "LiquidStakingVault: deposit": `${NONE} (vaults are of third parties)`,
  "LiquidStakingVault: requestRedeem": NONE,
  "LiquidStakingVault: rebalance, a withdrawal": NONE,
  "LiquidStakingVault: collect": NONE,
  "LiquidStakingVault: redeem": NONE,
  "Slasher: report": `${NONE} (nobody is slashed)`,
  "Slasher: setPenalty": NONE,
  "RewardSchedule: begin": NONE,
  "RewardSchedule: settle, 4 validators, first time": "`batchSubmitRewards`, by the address of its reward key",
  "RewardSchedule: settle, 4 validators": "the same",
  "RewardSchedule: settle, 40 validators, first time": "the same",
  "RewardSchedule: settle, 40 validators": "the same",
  "RewardSchedule: pay, 4 validators": `${NONE} (its settlement fails when its payer has no funds)`,
  "RewardSchedule: pay, 40 validators": NONE,
  "RewardSchedule: fund": "`approve` by its reward payer",
  "RewardSchedule: checkpoint": NONE,
  "RewardSchedule: setRate": "`updateBlockReward`",
  "Governance: VotingMetis.depositFor": `${NONE} (votes are off chain)`,
  "Governance: VotingMetis.delegate": NONE,
  "Governance: VotingMetis.withdrawTo": NONE,
  "Governance: HoraeGovernor.propose": NONE,
  "Governance: HoraeGovernor.castVote": NONE,
  "Governance: HoraeGovernor.queue": NONE,
  "Governance: HoraeGovernor.execute, setWhitelist": "`setWhitelist`, by the owner",
  "Governance: Applications.applyFor": NONE,
  "Governance: Applications.settle": NONE,
  "Governance: ProxyAdmin.upgradeAndCall": "`ProxyAdmin`, by its owner",
};

/** The code of a call, and plainly what is said of it behind a comma. */
function said(contract, call) {
  const [name, ...rest] = call.split(", ");
  return [`\`${contract === "Governance" ? name : `${contract}.${name}`}\``, ...rest].join(", ");
}
const functions = Object.entries(INCUMBENT).map(([key, incumbent]) => [said(...key.split(": ")), number(take(key)), incumbent]);

const check = take("Frost: verify");
const nothing = take("Signatures: a transaction that does nothing");
const signed = (key, what) => {
  const gas = take(`Signatures: ${key}`);
  return [what, number(gas), number(gas - nothing)];
};
const sizes = ["3 of 4", "7 of 10", "27 of 40"];
const many = [
  signed("FROST, any number", "one FROST signature, whoever and however many signed"),
  ...sizes.map((size) => signed(`ECDSA, list of signers in the call, ${size}`, `ECDSA, ${size}, the list of signers in the call and its hash in storage`)),
  ...sizes.map((size) => signed(`ECDSA, signers in storage, ${size}`, `ECDSA, ${size}, signers looked up in storage`)),
];
if (left.size !== 0) throw new Error(`GAS.md has no row for: ${[...left.keys()].join("; ")}`);

const text = `# L1 gas

Made by \`npm run gas\` from \`snapshots/\`; \`npm test\` fails if a call's gas or this file is out of date. Whole transactions: the 21,000 of the
transaction and its calldata (16 a byte that is not zero; EIP-7623's floor is not in it) are included, storage is cold, calls go through the proxies (some 5,000 each).

## The check of a group's signature

\`Frost.verify\` costs **${number(check)}** gas, for any number of signers; \`ecrecover\` and three SHA-256 calls alone cost 3,712 of it. As transactions
that do nothing but check a signature, beside n of m plain ECDSA signatures (\`test/base/Multisig.sol\`; n is the least above 2/3):

${table(["what is checked", "gas", "beyond an empty transaction"], many)}

## Functions

The incumbent's contracts are known by their sources (Solidity 0.8.24 behind transparent proxies); what its calls cost has not been measured here and is not published where we
looked, so its column says what it has in a function's place. Only its batches can be reckoned: a transfer to an address without code, 21,000 and the data, that is 37,384 for 1 kB without zeros; the
rest of what ours cost is what L1 checks and keeps.

${table(["function", "gas", "the incumbent's"], functions)}
`;

if (!process.argv.includes("--check")) {
  writeFileSync(path, text);
  console.log("gas: wrote GAS.md");
} else if (readFileSync(path, "utf8") !== text) {
  console.error("gas: GAS.md is not what the snapshots say; run `npm run gas` and commit");
  process.exit(1);
} else {
  console.log("gas: GAS.md is what the snapshots say");
}
