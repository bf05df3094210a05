// Storage layouts as solc describes them: brought into a form that changes only with the layout, and compared, for a proxy's
// next implementation finds the storage that the last one left.

/** Without the compiler's numbering of declarations, which any change of any file moves. */
export function normalise({ storage, types }) {
  const name = (id) => id.replaceAll(/(t_(?:struct|enum|contract|userDefinedValueType)\([^()]*\))\d+/g, "$1");
  const variable = ({ slot, offset, label, type }) => ({ slot: Number(slot), offset, label, type: name(type) });
  const entries = Object.entries(types ?? {}).map(([id, type]) => {
    const plain = { bytes: Number(type.numberOfBytes) };
    for (const part of ["base", "key", "value"]) if (type[part]) plain[part] = name(type[part]);
    if (type.members) plain.members = type.members.map(variable);
    return [name(id), plain];
  });
  return { storage: storage.map(variable), types: Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/**
 * What of `old` would be read wrongly by code with the layout `next`, in words; nothing if only new variables follow the old
 * ones. Members may be appended to a struct that lies in a mapping alone, for nothing comes behind it.
 */
export function incompatibilities(old, next) {
  const problems = [];
  const seen = new Set();

  const compareAll = (olds, nexts, where, mayGrow) => {
    olds.forEach((was, i) => {
      const is = nexts[i];
      const at = `${where}${was.label}`;
      if (!is) return problems.push(`${at} is gone`);
      if (is.label !== was.label) return problems.push(`${at} has become ${is.label}`);
      if (is.slot !== was.slot || is.offset !== was.offset) {
        return problems.push(`${at} has moved from ${was.slot}+${was.offset} to ${is.slot}+${is.offset}`);
      }
      if (is.type !== was.type) return problems.push(`${at} was ${was.type} and is ${is.type}`);
      compareType(was.type, at, false);
    });
    if (!mayGrow) nexts.slice(olds.length).forEach((more) => problems.push(`${where}${more.label} is new in a struct that others follow`));
  };

  const compareType = (id, at, inMapping) => {
    if (seen.has(`${id} ${inMapping}`)) return;
    seen.add(`${id} ${inMapping}`);
    const [was, is] = [old.types[id], next.types[id]];
    if (!was || !is) return;
    if (was.bytes !== is.bytes && !(was.members && inMapping)) problems.push(`${at} (${id}) took ${was.bytes} bytes and takes ${is.bytes}`);
    if (was.members) compareAll(was.members, is.members, `${at}.`, inMapping);
    if (was.value) compareType(was.value, at, true);
    if (was.base) compareType(was.base, at, false);
  };

  compareAll(old.storage, next.storage, "", true);
  return problems;
}
