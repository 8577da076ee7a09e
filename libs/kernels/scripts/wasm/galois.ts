/*
 * Writes the AssemblyScript of the finite-field kernels. A product by a constant is linear over GF(2), so it is a table of 16
 * entries per nibble of the operand, looked up 16 symbols at a time by a byte swizzle: 2 swizzles per 16 bytes in GF(2^8), 8
 * per 32 bytes in GF(2^16). Indices stay below 16, so strict and relaxed swizzles agree; the relaxed one saves an instruction on
 * x86. Two FFT layers are fused (4 rows in 8 registers). The nibble mask is loaded from memory: as a constant, V8 builds it
 * again in every loop (kernel notes, section 10).
 *
 * What V8 cannot do is wider vectors: at 128 bits the swizzles of a butterfly are the bound.
 */
import { combineSource } from './galois-combine.ts';
import type { WasmModuleSource } from './module.ts';

type Field = 8 | 16;
type Rows = readonly [string, string, string, string];

const xor = (...terms: string[]): string =>
  terms.reduce((sum, term) => `v128.xor(${sum}, ${term})`);

/** Vectors of one row held at once: 32 bytes, either way. */
const PARTS = { 8: ['l', 'h'], 16: ['l', 'h'] } as const;
/** Byte offsets of a row's two vectors, for each half of a 64-byte step. */
const OFFSETS = {
  8: [
    [0, 16],
    [32, 48],
  ],
  16: [
    [0, 32],
    [16, 48],
  ],
} as const;

const nibbles = (v: string, low: string, high: string): string =>
  `${low} = v128.and(${v}, f); ${high} = v128.and(i16x8.shr_u(${v}, 4), f);`;

/** x ^= constant * y, where the constant's table is at `t`. */
export function mulAdd(field: Field, x: string, y: string, t: string): string {
  const swizzle = (offset: number, index: string): string =>
    `SWIZZLE(v128.load(${t}, ${offset}), ${index})`;
  const set = (target: string, ...terms: string[]): string =>
    `${target} = ${xor(target, xor(...terms))};`;
  if (field === 8) {
    return ['l', 'h']
      .map(
        (part) =>
          `${nibbles(y + part, 'n0', 'n1')} ${set(x + part, swizzle(0, 'n0'), swizzle(16, 'n1'))}`,
      )
      .join('\n');
  }
  const sum = (first: number): string[] =>
    [0, 1, 2, 3].map((n) => swizzle(first + 32 * n, `n${n}`));
  return [
    nibbles(`${y}l`, 'n0', 'n1'),
    nibbles(`${y}h`, 'n2', 'n3'),
    set(`${x}l`, ...sum(0)),
    set(`${x}h`, ...sum(16)),
  ].join('\n');
}

const add = (x: string, y: string): string =>
  ['l', 'h'].map((part) => `${x}${part} = v128.xor(${x}${part}, ${y}${part});`).join(' ');

/** Butterfly of rows x, y; without a table the constant is zero. */
function butterfly(field: Field, inverse: boolean, x: string, y: string, table?: string): string {
  const product = table === undefined ? '' : mulAdd(field, x, y, table);
  return inverse ? `${add(y, x)}\n${product}` : `${product}\n${add(y, x)}`;
}

function radix4(field: Field, inverse: boolean, zero: boolean): string {
  const [a, b, c, d]: Rows = ['a', 'b', 'c', 'd'];
  const wide = zero ? undefined : 't02';
  const layers = [
    [butterfly(field, inverse, a, c, wide), butterfly(field, inverse, b, d, wide)],
    [
      butterfly(field, inverse, a, b, zero ? undefined : 't01'),
      butterfly(field, inverse, c, d, 't23'),
    ],
  ];
  return (inverse ? layers.reverse() : layers).flat().join('\n');
}

function radix2(field: Field, inverse: boolean, zero: boolean): string {
  return butterfly(field, inverse, 'a', 'b', zero ? undefined : 't');
}

/** A function that runs `body` over `width` bytes of rows at s, s + ss, … and stores them at t, t + ts, … */
function rowFunction(
  name: string,
  field: Field,
  rows: readonly string[],
  tables: string[],
  body: string,
): string {
  const registers = rows.flatMap((row) => PARTS[field].map((part) => `${row}${part}: v128`));
  const each = (write: (row: string, i: number) => string): string => rows.map(write).join(' ');
  const step = ([low, high]: readonly [number, number]): string => `
    ${each((row, i) => `${row}l = v128.load(s${i}, ${low}); ${row}h = v128.load(s${i}, ${high});`)}
    ${body}
    ${each((row, i) => `v128.store(d${i}, ${row}l, ${low}); v128.store(d${i}, ${row}h, ${high});`)}`;
  return `
function ${name}(s0: usize, ss: usize, d0: usize, ds: usize, ${tables.map((t) => `${t}: usize, `).join('')}width: usize): void {
  const f = v128.load(MASK);
  let ${registers.join(', ')}, n0: v128, n1: v128, n2: v128, n3: v128;
  ${rows
    .slice(1)
    .map((_, i) => `let s${i + 1} = s${i} + ss; let d${i + 1} = d${i} + ds;`)
    .join(' ')}
  for (const end = s0 + width; s0 < end; s0 += 64) {
    ${OFFSETS[field].map(step).join('\n')}
    d0 += 64; ${rows
      .slice(1)
      .map((_, i) => `s${i + 1} += 64; d${i + 1} += 64;`)
      .join(' ')}
  }
}`;
}

/** Table of the constant of rows 2^d apart, the first at point `point`. */
const tableOf = (field: Field, d: string, point: string): string =>
  field === 16
    ? `T16 + (((${point}) >> (${d})) << 6)` // constants are even: 128 bytes per two
    : `T8 + (<usize>load<u8>(TWIDDLES + ((${d}) << 8) + ((${point}) >> (${d}))) << 5)`;

/** A pass over all groups of rows that begin below `limit`. */
function passes(field: Field, inverse: boolean): string {
  const name = `${inverse ? 'ifft' : 'fft'}${field}`;
  const four = ['a', 'b', 'c', 'd'];
  const arguments4 = 's + i * ss, ss << d, t + i * ts, ts << d';
  return `
${rowFunction(`${name}Four`, field, four, ['t02', 't01', 't23'], radix4(field, inverse, false))}
${rowFunction(`${name}FourZero`, field, four, ['t23'], radix4(field, inverse, true))}
${rowFunction(`${name}Two`, field, ['a', 'b'], ['t'], radix2(field, inverse, false))}
${rowFunction(`${name}TwoZero`, field, ['a', 'b'], [], radix2(field, inverse, true))}

// Layers d and d + 1.
export function ${name}Pass4(s: usize, ss: usize, t: usize, ts: usize, d: usize, off: usize, limit: usize, width: usize): void {
  const count: usize = 1 << d;
  for (let p: usize = 0; p < limit; p += 4 << d) {
    const t02 = ${tableOf(field, 'd + 1', 'off + p')};
    const t01 = ${tableOf(field, 'd', 'off + p')};
    const t23 = ${tableOf(field, 'd', 'off + p + (2 << d)')};
    for (let i: usize = p; i < p + count; i++) {
      if (off + p == 0) ${name}FourZero(${arguments4}, t23, width);
      else ${name}Four(${arguments4}, t02, t01, t23, width);
    }
  }
}

// Layer d.
export function ${name}Pass2(s: usize, ss: usize, t: usize, ts: usize, d: usize, off: usize, limit: usize, width: usize): void {
  const count: usize = 1 << d;
  for (let p: usize = 0; p < limit; p += 2 << d) {
    const table = ${tableOf(field, 'd', 'off + p')};
    for (let i: usize = p; i < p + count; i++) {
      if (off + p == 0) ${name}TwoZero(${arguments4}, width);
      else ${name}Two(${arguments4}, table, width);
    }
  }
}`;
}

/** Bytes of one constant's table. */
const TABLE_BYTES = { 8: 32, 16: 128 } as const;

/** `count` target rows (addresses at `targets`), `sourceCount` source rows; tables by source row, then target row. */
function matrix(field: Field, count: number): string {
  const outs = Array.from({ length: count }, (_, i) => `x${i}`);
  const tableBytes = TABLE_BYTES[field];
  const each = (write: (out: string, i: number) => string): string => outs.map(write).join('\n');
  const swizzle = (offset: number, index: string): string =>
    `SWIZZLE(v128.load(table, ${offset}), ${index})`;
  const products = (i: number): [string, string] => {
    const at = i * tableBytes;
    if (field === 8)
      return [
        xor(swizzle(at, 'n0'), swizzle(at + 16, 'n1')),
        xor(swizzle(at, 'n2'), swizzle(at + 16, 'n3')),
      ];
    const sum = (first: number): string =>
      xor(...[0, 1, 2, 3].map((n) => swizzle(at + first + 32 * n, `n${n}`)));
    return [sum(0), sum(16)];
  };
  const step = ([low, high]: readonly [number, number]): string => `
    if (accumulate) { ${each((out, i) => `${out}l = v128.load(t${i} + at, ${low}); ${out}h = v128.load(t${i} + at, ${high});`)} }
    else { ${each((out) => `${out}l = ${out}h = i64x2.splat(0);`)} }
    table = tables;
    for (let j: usize = 0; j < sourceCount << 2; j += 4) {
      const s = <usize>load<u32>(sources + j) + at;
      const sl = v128.load(s, ${low}), sh = v128.load(s, ${high});
      ${nibbles('sl', 'n0', 'n1')} ${nibbles('sh', 'n2', 'n3')}
      ${each((out, i) => {
        const [l, h] = products(i);
        return `${out}l = ${xor(`${out}l`, l)}; ${out}h = ${xor(`${out}h`, h)};`;
      })}
      table += ${count * tableBytes};
    }
    ${each((out, i) => `v128.store(t${i} + at, ${out}l, ${low}); v128.store(t${i} + at, ${out}h, ${high});`)}`;
  return `
export function matrix${field}x${count}(tables: usize, sources: usize, sourceCount: usize, targets: usize, accumulate: bool, width: usize): void {
  const f = v128.load(MASK);
  let n0: v128, n1: v128, n2: v128, n3: v128, table: usize;
  let ${outs.flatMap((out) => [`${out}l: v128`, `${out}h: v128`]).join(', ')};
  ${outs.map((_, i) => `const t${i}: usize = load<u32>(targets, ${4 * i});`).join(' ')}
  for (let at: usize = 0; at < width; at += 64) {
    ${OFFSETS[field].map(step).join('\n')}
  }
}`;
}

function source(build: 'strict' | 'relaxed'): string {
  const text = `// Generated by scripts/wasm/galois.ts.
const MASK: usize = memory.data<u8>([${new Array(16).fill(15).join(', ')}], 16);
let T8: usize = 0;
let TWIDDLES: usize = 0;
let T16: usize = 0;

// Where the caller keeps tables: one of 32 bytes per element of GF(2^8), the FFT constants of its layers (256 bytes each), one of
// 128 bytes per even element of GF(2^16).
export function useTables(t8: usize, twiddles: usize, t16: usize): void {
  T8 = t8;
  TWIDDLES = twiddles;
  T16 = t16;
}

export function heapBase(): usize {
  return __heap_base;
}

export function xorRows(target: usize, source: usize, bytes: usize): void {
  for (const end = target + bytes; target < end; target += 64) {
    ${[0, 16, 32, 48].map((o) => `v128.store(target, v128.xor(v128.load(target, ${o}), v128.load(source, ${o})), ${o});`).join('\n')}
    source += 64;
  }
}

// Tables of the constants first .. 2 first - 1 (in steps of \`tableBytes\`), from those below and that of \`first\`.
export function doubleTables(tables: usize, bytes: usize, unit: usize, tableBytes: usize): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(tables + bytes + at, v128.xor(v128.load(tables + at), v128.load(unit + at % tableBytes)));
  }
}

// The table of \`constant\` (GF(2^16)) from those of its bits.
export function tableOf16(bits: usize, constant: u32, out: usize): void {
  memory.fill(out, 0, 128);
  for (; constant != 0; constant &= constant - 1) {
    const unit = bits + (ctz(constant) << 7);
    for (let at: usize = 0; at < 128; at += 16)
      v128.store(out + at, v128.xor(v128.load(out + at), v128.load(unit + at)));
  }
}
${([8, 16] as const).flatMap((field) => [passes(field, true), passes(field, false)]).join('\n')}
${[1, 2, 3, 4].map((count) => matrix(8, count)).join('\n')}
${[1, 2].map((count) => matrix(16, count)).join('\n')}
${combineSource()}
`;
  const swizzle = build === 'relaxed' ? 'i8x16.relaxed_swizzle' : 'i8x16.swizzle';
  return text.replaceAll('SWIZZLE', swizzle);
}

/** Finite fields: 46 MiB. Tables of GF(2^16) take 4, working rows 8, rows on their way in and out 33; a workspace is added later. */
export const galoisModule: WasmModuleSource = {
  name: 'galois',
  pages: 736,
  pagesMax: 736 + 2048,
  builds: ['strict', 'relaxed'],
  source,
};
