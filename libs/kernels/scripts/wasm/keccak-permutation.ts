// Writes the Keccak-f[1600] permutation over 25 v128 locals a0..a24: two states at once, one per 64-bit lane.
//
// AssemblyScript has no multi-value returns and v128 cannot be indexed by a variable, so the round is unrolled here.
// Method: one loop over rounds; rotation = shl | shr (WASM has no 64-bit lane rotate; a byte shuffle for the two distances
// that are whole bytes was 4 % slower, four rounds in place 0.5 % faster at twice the code: V8 is at the limit of the
// instruction set).

const ROTATION = [
  0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
];
const CONSTANTS = [
  '0x0000000000000001',
  '0x0000000000008082',
  '0x800000000000808a',
  '0x8000000080008000',
  '0x000000000000808b',
  '0x0000000080000001',
  '0x8000000080008081',
  '0x8000000000008009',
  '0x000000000000008a',
  '0x0000000000000088',
  '0x0000000080008009',
  '0x000000008000000a',
  '0x000000008000808b',
  '0x800000000000008b',
  '0x8000000000008089',
  '0x8000000000008003',
  '0x8000000000008002',
  '0x8000000000000080',
  '0x000000000000800a',
  '0x800000008000000a',
  '0x8000000080008081',
  '0x8000000000008080',
  '0x0000000080000001',
  '0x8000000080008008',
];
/** 0..24. */
export const lanes = Array.from({ length: 25 }, (_, i) => i);
export const xor = (...xs: string[]): string => xs.reduce((a, b) => `v128.xor(${a}, ${b})`);
const rol = (x: string, n: number): string =>
  n === 0 ? x : `v128.or(i64x2.shl(${x}, ${n}), i64x2.shr_u(${x}, ${64 - n}))`;
function round(): string {
  const lines: string[] = [];
  for (let x = 0; x < 5; x++)
    lines.push(`c${x} = ${xor(...[0, 5, 10, 15, 20].map((y) => `a${x + y}`))};`);
  for (let x = 0; x < 5; x++)
    lines.push(
      `d = ${xor(`c${(x + 4) % 5}`, rol(`c${(x + 1) % 5}`, 1))}; ` +
        [0, 5, 10, 15, 20].map((y) => `a${x + y} = v128.xor(a${x + y}, d);`).join(' '),
    );
  // rho and pi: lane (x, y) goes to (y, 2x + 3y)
  const b = new Array<string>(25);
  for (let x = 0; x < 5; x++)
    for (let y = 0; y < 5; y++)
      b[y + 5 * ((2 * x + 3 * y) % 5)] = rol(`a${x + 5 * y}`, ROTATION[x + 5 * y]!);
  lanes.forEach((i) => {
    lines.push(`const b${i} = ${b[i]};`);
  });
  for (let y = 0; y < 25; y += 5) {
    for (let x = 0; x < 5; x++)
      lines.push(
        `a${x + y} = v128.xor(b${x + y}, v128.andnot(b${((x + 2) % 5) + y}, b${((x + 1) % 5) + y}));`,
      );
  }
  lines.push('a0 = v128.xor(a0, v128.load64_splat(CONSTANTS + (r << 3)));');
  return lines.map((l) => `      ${l}`).join('\n');
}

/** Module-level data the permutation reads. */
export const KECCAK_CONSTANTS = `const CONSTANTS: usize = memory.data<u64>([${CONSTANTS.join(', ')}]);`;

/** Declares the state and what `permute` needs; `a` starts at zero. */
export const KECCAK_LOCALS = `let ${lanes.map((i) => `a${i}: v128 = i64x2.splat(0)`).join(', ')};
  let c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, d: v128;`;

/** The 24 rounds, as statements. */
export function permute(): string {
  return `    for (let r: usize = 0; r < 24; r++) {
${round()}
    }`;
}
