/*
 * AssemblyScript of the row combination: sum over symbols of symbol times an 8-limb coefficient. The product is linear in
 * the symbol, so a table per symbol column holds all 8 limbs: 2 windows of 256 entries (8 KiB), or 4 of 16 entries for few rows,
 * where building the tables would cost more than using them. Per byte of input: one 16-byte load and XOR. Four columns of byte
 * tables stay in the first-level cache while every row passes; rows are gathered 64 bytes at a time, because rows a power of
 * two apart fall on few cache sets.
 */
const xor = (...terms: string[]): string =>
  terms.reduce((sum, term) => `v128.xor(${sum}, ${term})`);
const COLUMNS = [0, 1, 2, 3];

/** XOR of the entries for one row: `l` and `h` hold the low and high bytes of four symbols. */
function lookups(bits: 4 | 8): string {
  const windows = 8 / bits;
  const entry = 16 << bits;
  const terms: string[] = [];
  for (const column of COLUMNS) {
    for (const [half, word] of ['l', 'h'].entries()) {
      for (let window = 0; window < windows; window++) {
        const shift = 8 * column + bits * window - 4;
        const moved = shift < 0 ? `(${word} << ${-shift})` : `(${word} >> ${shift})`;
        const table = (column * 2 + half) * windows + window;
        terms.push(
          `v128.load(TABLES + <usize>(${moved} & ${((1 << bits) - 1) << 4}), ${table * entry})`,
        );
      }
    }
  }
  return terms.map((term) => `sum = ${xor('sum', term)};`).join('\n      ');
}

/** The functions; \`combine8\` and \`combine4\` share their arguments. */
export function combineSource(): string {
  const rows = (bits: 4 | 8): string => `
// Adds the products of 32 symbols (one 64-byte block, tile of \`count\` of them) with their coefficients to \`sums\`.
export function combine${bits}(tile: usize, count: usize, coefficients: usize, bits: usize, sums: usize): void {
  for (let column: usize = 0; column < 32; column += 4) {
    combineTables${bits}(coefficients + (column << 4), bits);
    let at = tile + column;
    let out = sums;
    for (const end = at + (count << 6); at < end; at += 64) {
      const l = load<u32>(at), h = load<u32>(at, 32);
      let sum = v128.load(out);
      ${lookups(bits)}
      v128.store(out, sum);
      out += 16;
    }
  }
}`;
  const tables = (bits: 4 | 8): string => {
    const windows = 16 / bits;
    return `
// Tables of four symbol columns, each window's entries in order, from their coefficients (16 bytes of LE16 limbs each).
function combineTables${bits}(coefficients: usize, bits: usize): void {
  const f = v128.load(MASK);
  for (let pair: usize = 0; pair < 2; pair++) {
    const x = v128.load(coefficients + (pair << 5)), y = v128.load(coefficients + (pair << 5), 16);
    const low = i8x16.shuffle(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const high = i8x16.shuffle(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    const n0 = v128.and(low, f), n1 = v128.and(i16x8.shr_u(low, 4), f);
    const n2 = v128.and(high, f), n3 = v128.and(i16x8.shr_u(high, 4), f);
    for (let w: usize = 0; w < ${windows}; w++) {
      const first = TABLES + ((pair * ${2 * windows} + w) * ${16 << bits});
      const second = first + ${windows * (16 << bits)};
      v128.store(first, i64x2.splat(0));
      v128.store(second, i64x2.splat(0));
      for (let i: usize = 0; i < ${bits}; i++) {
        const t = bits + ((w * ${bits} + i) << 7);
        const pl = ${xor(...[0, 1, 2, 3].map((n) => `SWIZZLE(v128.load(t, ${32 * n}), n${n})`))};
        const ph = ${xor(...[0, 1, 2, 3].map((n) => `SWIZZLE(v128.load(t, ${32 * n + 16}), n${n})`))};
        const px = i8x16.shuffle(pl, ph, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const py = i8x16.shuffle(pl, ph, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        const bytes: usize = 16 << i;
        for (let at: usize = 0; at < bytes; at += 16) {
          v128.store(first + bytes + at, v128.xor(v128.load(first + at), px));
          v128.store(second + bytes + at, v128.xor(v128.load(second + at), py));
        }
      }
    }
  }
}`;
  };
  return `
const TABLES: usize = memory.data(32768, 16);
${([4, 8] as const).map((bits) => tables(bits) + rows(bits)).join('\n')}

// One 64-byte block of each of \`count\` rows, to consecutive blocks.
export function gatherBlocks(rows: usize, stride: usize, count: usize, tile: usize): void {
  for (const end = tile + (count << 6); tile < end; tile += 64) {
    ${[0, 16, 32, 48].map((o) => `v128.store(tile, v128.load(rows, ${o}), ${o});`).join(' ')}
    rows += stride;
  }
}`;
}
