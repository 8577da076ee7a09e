import { assert } from '@cairn/base';

/** Number of items in a batch; asserts that the lengths and the prefix fit. */
export function checkSha256Many(
  input: Uint8Array,
  itemBytes: number,
  prefix: number | undefined,
  out: Uint8Array | undefined,
): number {
  assert(
    Number.isInteger(itemBytes) && itemBytes > 0,
    'sha256 hashMany: itemBytes is a positive integer',
  );
  assert(input.length % itemBytes === 0, 'sha256 hashMany: input is a whole number of items');
  assert(
    prefix === undefined || (Number.isInteger(prefix) && prefix >= 0 && prefix <= 255),
    'sha256 hashMany: prefix is a byte',
  );
  const count = input.length / itemBytes;
  assert(out === undefined || out.length >= 32 * count, 'sha256 hashMany: out is too short');
  return count;
}
