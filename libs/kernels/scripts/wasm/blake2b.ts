// Writes BLAKE2b compression for two messages at once, one per 64-bit lane of a v128 (RFC 7693 section 3.2).
//
// The twelve rounds are unrolled: message words are picked by constant index. The sixteen words of state are locals; message
// words come from memory where they are used, since V8 has sixteen vector registers and would spill them anyway. Rotations by
// 32, 24 and 16 are byte shuffles; with relaxed SIMD a swizzle by masks loaded from memory (kernel notes section 4).

const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const ROUNDS = 12;
const IV = [
  '0x6a09e667f3bcc908',
  '0xbb67ae8584caa73b',
  '0x3c6ef372fe94f82b',
  '0xa54ff53a5f1d36f1',
  '0x510e527fade682d1',
  '0x9b05688c2b3e6c1f',
  '0x1f83d9abfb41bd6b',
  '0x5be0cd19137e2179',
];
/** Which columns and diagonals each G of a round mixes. */
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** Byte indices that rotate both 64-bit lanes right by `bits`. */
const rotation = (bits: number): number[] =>
  Array.from({ length: 16 }, (_, i) => (i & 8) | ((i + bits / 8) & 7));

const rotateStrict = (x: string, bits: number): string =>
  `i8x16.shuffle(${x}, ${x}, ${rotation(bits).join(', ')})`;
const rotateRelaxed = (x: string, bits: number): string =>
  bits === 32 ? rotateStrict(x, bits) : `i8x16.relaxed_swizzle(${x}, rotate${bits})`;

/** Module-level data and the function \`compress(h, m, t, last)\`: h is 8 vectors, m is 16, t the bytes so far. */
export function blake2bCompress(build: 'strict' | 'relaxed'): string {
  const rotate = build === 'strict' ? rotateStrict : rotateRelaxed;
  const lines: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, [a, b, c, d]] of QUARTERS.entries()) {
      const word = (half: number): string =>
        `v128.load(m, ${16 * SIGMA[round % SIGMA.length]![2 * i + half]!})`;
      lines.push(
        `  v${a} = i64x2.add(i64x2.add(v${a}, ${word(0)}), v${b});`,
        `  v${d} = v128.xor(v${d}, v${a}); v${d} = ${rotate(`v${d}`, 32)};`,
        `  v${c} = i64x2.add(v${c}, v${d});`,
        `  v${b} = v128.xor(v${b}, v${c}); v${b} = ${rotate(`v${b}`, 24)};`,
        `  v${a} = i64x2.add(i64x2.add(v${a}, ${word(1)}), v${b});`,
        `  v${d} = v128.xor(v${d}, v${a}); v${d} = ${rotate(`v${d}`, 16)};`,
        `  v${c} = i64x2.add(v${c}, v${d});`,
        `  v${b} = v128.xor(v${b}, v${c}); v${b} = v128.or(i64x2.add(v${b}, v${b}), i64x2.shr_u(v${b}, 63));`,
      );
    }
  }
  const eight = Array.from({ length: 8 }, (_, i) => i);
  return `
const ROTATE24: usize = memory.data<u8>([${rotation(24).join(', ')}]);
const ROTATE16: usize = memory.data<u8>([${rotation(16).join(', ')}]);

function compress(h: usize, m: usize, t: u64, last: u64): void {
${
  build === 'relaxed'
    ? '  const rotate24 = v128.load(ROTATE24);\n  const rotate16 = v128.load(ROTATE16);'
    : ''
}
${eight.map((i) => `  let v${i}: v128 = v128.load(h, ${16 * i});`).join('\n')}
${eight.map((i) => `  let v${8 + i}: v128 = i64x2.splat(${IV[i]});`).join('\n')}
  v12 = v128.xor(v12, i64x2.splat(t));
  v14 = v128.xor(v14, i64x2.splat(last));
${lines.join('\n')}
${eight.map((i) => `  v128.store(h, v128.xor(v128.load(h, ${16 * i}), v128.xor(v${i}, v${8 + i})), ${16 * i});`).join('\n')}
}

// The state before the first block: no key, 64 bytes of digest.
function reset(h: usize): void {
  v128.store(h, i64x2.splat(${IV[0]} ^ 0x01010040));
${eight
  .slice(1)
  .map((i) => `  v128.store(h, i64x2.splat(${IV[i]}), ${16 * i});`)
  .join('\n')}
}
`;
}
