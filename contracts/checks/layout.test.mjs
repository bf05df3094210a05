// What counts as a change of layout that a proxy's storage does not survive.
import assert from "node:assert/strict";
import { test } from "node:test";

import { incompatibilities, normalise } from "./layout.mjs";

const variable = (slot, label, type = "t_uint256", offset = 0) => ({ slot, offset, label, type });
const word = { t_uint256: { bytes: 32 }, t_address: { bytes: 20 } };
const old = { storage: [variable(0, "a"), variable(1, "b", "t_address")], types: word };

test("appending a variable is compatible", () => {
  assert.deepEqual(incompatibilities(old, { ...old, storage: [...old.storage, variable(2, "c")] }), []);
});

test("a variable that moves, goes, changes its type or its name is not", () => {
  const with_ = (...storage) => incompatibilities(old, { storage, types: word });
  assert.deepEqual(with_(variable(1, "a"), variable(2, "b", "t_address")), ["a has moved from 0+0 to 1+0", "b has moved from 1+0 to 2+0"]);
  assert.deepEqual(with_(variable(0, "a"), variable(1, "b", "t_address", 8)), ["b has moved from 1+0 to 1+8"]);
  assert.deepEqual(with_(variable(0, "a")), ["b is gone"]);
  assert.deepEqual(with_(variable(0, "a"), variable(1, "b")), ["b was t_address and is t_uint256"]);
  assert.deepEqual(with_(variable(0, "b"), variable(1, "b", "t_address")), ["a has become b"]);
  assert.deepEqual(with_(variable(0, "new"), ...old.storage), ["a has become new", "b has become a"]);
});

const record = (members) => ({ bytes: 32 * members.length, members });
const of = (type, members, more) => ({
  storage: [variable(0, "x", type)],
  types: { ...word, "t_struct(R)_storage": record(members), ...more },
});

test("a struct grows in a mapping, and nowhere else", () => {
  const [few, many] = [[variable(0, "a")], [variable(0, "a"), variable(1, "b")]];
  const mapping = { t_map: { bytes: 32, key: "t_address", value: "t_struct(R)_storage" } };
  assert.deepEqual(incompatibilities(of("t_map", few, mapping), of("t_map", many, mapping)), []);
  assert.deepEqual(incompatibilities(of("t_map", many, mapping), of("t_map", few, mapping)), ["x.b is gone"]);
  const array = { t_list: { bytes: 32, base: "t_struct(R)_storage" } };
  assert.equal(incompatibilities(of("t_list", few, array), of("t_list", many, array)).length, 2);
  assert.equal(incompatibilities(of("t_struct(R)_storage", few), of("t_struct(R)_storage", many)).length, 2);
  const nested = { t_map: { bytes: 32, key: "t_address", value: "t_list" }, ...array };
  assert.equal(incompatibilities(of("t_map", few, nested), of("t_map", many, nested)).length, 2);
});

test("the compiler's numbers of declarations do not count", () => {
  const layout = (n) => ({
    storage: [{ astId: n, contract: "src/A.sol:A", slot: "0", offset: 0, label: "a", type: `t_mapping(t_uint64,t_struct(R)${n}_storage)` }],
    types: { [`t_struct(R)${n}_storage`]: { encoding: "inplace", label: "struct R", numberOfBytes: "32", members: [] } },
  });
  assert.deepEqual(normalise(layout(7)), normalise(layout(8)));
  assert.equal(normalise(layout(7)).storage[0].type, "t_mapping(t_uint64,t_struct(R)_storage)");
  const array = { slot: "0", offset: 0, label: "a", type: "t_array(t_uint256)50_storage" };
  assert.equal(normalise({ storage: [array] }).storage[0].type, "t_array(t_uint256)50_storage", "a length is no such number");
});
