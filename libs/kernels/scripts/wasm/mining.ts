// Writes the AssemblyScript of the mining kernels: two seals, two nonces or two messages at once, one per 64-bit lane.
//
// Sealing and pads are chains of one permutation each: the state never leaves the locals between two links. A search runs
// seals `i` and `i + 4` side by side, since both are mixed with the same quarter of the pad: its words load as splats.

import { blake2bCompress } from './blake2b.ts';
import { KECCAK_CONSTANTS, KECCAK_LOCALS, lanes, permute } from './keccak-permutation.ts';
import type { WasmModuleSource } from './module.ts';

const LOAD_BUFFERS_BYTES = 8 * 262_144;
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const loadPair = (p: string, q: string, at: number): string =>
  `v128.load64_lane(${q}, v128.load64_zero(${p}, ${at}), 1, ${at})`;
const storePair = (p: string, q: string, value: string, at: number): string =>
  `v128.store64_lane(${p}, ${value}, 0, ${at}); v128.store64_lane(${q}, ${value}, 1, ${at});`;
/** Words 2 i and 2 i + 1 of two messages, as the statements \`store(word, value)\` makes of them: one load per message. */
function transposed(p: string, q: string, store: (word: number, value: string) => string): string {
  return range(8)
    .map(
      (i) => `    x = v128.load(${p}, ${16 * i}); y = v128.load(${q}, ${16 * i});
    ${store(2 * i, 'i64x2.shuffle(x, y, 0, 2)')} ${store(2 * i + 1, 'i64x2.shuffle(x, y, 1, 3)')}`,
    )
    .join('\n');
}
const toMessage = (word: number, value: string): string => `v128.store(M, ${value}, ${16 * word});`;
/** Sets lanes `from`..24 of a fresh state that holds `from` words of input: padding and zeros. */
const padding = (from: number): string =>
  lanes
    .slice(from)
    .map((i) => `a${i} = i64x2.splat(${i === from ? '1' : i === 16 ? '0x8000000000000000' : '0'});`)
    .join(' ');

/** c[i] = w[i] ^ mask, mask = K(c[i]) for two seals; reads a word of both before it writes it, so out may be the input. */
function chain(name: string, sealedIsInput: boolean): string {
  return `
function ${name}Pair(p: usize, q: usize, maskP: usize, maskQ: usize, outP: usize, outQ: usize): void {
  ${KECCAK_LOCALS}
${range(4)
  .map((i) => `  a${i} = ${loadPair('maskP', 'maskQ', 8 * i)}; let w${i}: v128;`)
  .join('\n')}
  for (let i: usize = 0; ; i += 32) {
${range(4)
  .map((i) => `    w${i} = ${loadPair('p + i', 'q + i', 8 * i)};`)
  .join('\n')}
${range(4)
  .map((i) => `    a${i} = v128.xor(a${i}, w${i});`)
  .join('\n')}
${range(4)
  .map((i) => `    ${storePair('outP + i', 'outQ + i', `a${i}`, 8 * i)}`)
  .join('\n')}
    if (i == 4096 - 32) break;
${
  sealedIsInput
    ? `    ${range(4)
        .map((i) => `a${i} = w${i};`)
        .join(' ')}`
    : ''
}
    ${padding(4)}
${permute()}
  }
}

export function ${name}(input: usize, count: usize, masks: usize, out: usize): void {
  let i: usize = 0;
  for (; i + 2 <= count; i += 2) {
    const at = i << 12;
    ${name}Pair(input + at, input + at + 4096, masks + 32 * i, masks + 32 * i + 32, out + at, out + at + 4096);
  }
  if (i < count) {
    const at = i << 12;
    ${name}Pair(input + at, input + at, masks + 32 * i, masks + 32 * i, out + at, out + at);
  }
}
`;
}

function pads(): string {
  const cell = range(8);
  return `
function padPair(p: usize, q: usize, padP: usize, padQ: usize, recallP: usize, recallQ: usize): void {
  ${KECCAK_LOCALS}
${cell.map((i) => `  let d${i}: v128 = ${loadPair('p', 'q', 8 * i)};`).join('\n')}
  for (let i: usize = 0; ; i += 32) {
${cell.map((i) => `    a${i} = d${i};`).join(' ')}
    ${padding(8)}
${permute()}
    if (i == 16384) break;
    if (i & 32) {
${range(4)
  .map((k) => `      d${k + 4} = a${k};`)
  .join(' ')}
    } else {
${range(4)
  .map((k) => `      d${k} = a${k};`)
  .join(' ')}
    }
${range(4)
  .map((k) => `    ${storePair('padP + i', 'padQ + i', `a${k}`, 8 * k)}`)
  .join('\n')}
  }
${range(4)
  .map((k) => `  ${storePair('recallP', 'recallQ', `a${k}`, 8 * k)}`)
  .join('\n')}
}

export function scratchpads(seeds: usize, count: usize, pads: usize, recallSeeds: usize): void {
  let i: usize = 0;
  for (; i + 2 <= count; i += 2) {
    const seed = seeds + 64 * i, pad = pads + 16384 * i, recall = recallSeeds + 32 * i;
    padPair(seed, seed + 64, pad, pad + 16384, recall, recall + 32);
  }
  if (i < count) {
    const seed = seeds + 64 * i, pad = pads + 16384 * i, recall = recallSeeds + 32 * i;
    padPair(seed, seed, pad, pad, recall, recall);
  }
}
`;
}

function blake(): string {
  return `
// Two messages of \`bytes\` each; 64 bytes to out and 64 to out2.
function blakePair(p: usize, q: usize, bytes: usize, out: usize, out2: usize): void {
  reset(H);
  let x: v128, y: v128;
  let at: usize = 0;
  for (; bytes - at > 128; at += 128) {
${transposed('p + at', 'q + at', toMessage)}
    compress(H, M, <u64>(at + 128), 0);
  }
  p += at;
  q += at;
  if (bytes - at < 128) {
    memory.fill(LAST, 0, 256);
    memory.copy(LAST, p, bytes - at);
    memory.copy(LAST + 128, q, bytes - at);
    p = LAST;
    q = LAST + 128;
  }
${transposed('p', 'q', toMessage)}
  compress(H, M, <u64>bytes, 0xffffffffffffffff);
${range(8)
  .map((i) => `  v128.store64_lane(out, v128.load(H, ${16 * i}), 0, ${8 * i});`)
  .join('\n')}
${range(8)
  .map((i) => `  v128.store64_lane(out2, v128.load(H, ${16 * i}), 1, ${8 * i});`)
  .join('\n')}
}

export function blake2b(input: usize, bytes: usize, count: usize, out: usize): void {
  let i: usize = 0;
  for (; i + 2 <= count; i += 2) {
    const p = input + i * bytes;
    blakePair(p, p + bytes, bytes, out + 64 * i, out + 64 * i + 64);
  }
  if (i < count) {
    const p = input + i * bytes;
    blakePair(p, p, bytes, out + 64 * i, out + 64 * i);
  }
}
`;
}

function search(): string {
  return `
// Qualities of seals \`seal\` and \`seal + 4\` of a load, left in H.
function quality(load: usize, seal: usize, pad: usize, padSeed: usize): void {
  reset(H);
  let x: v128, y: v128;
  memory.fill(M, 0, 256);
  // u256(seal), big-endian: its low byte is the top byte of word 3.
  store<u64>(M, <u64>seal << 56, 48);
  store<u64>(M, <u64>(seal + 4) << 56, 56);
${range(8)
  .map((i) => `  v128.store(M, v128.load64_splat(padSeed, ${8 * i}), ${16 * (4 + i)});`)
  .join('\n')}
  compress(H, M, 128, 0);
  const p = load + (seal << 12), q = p + 4 * 4096;
  for (let at: usize = 0; at < 4096; at += 128) {
${transposed('p + at', 'q + at', (word, value) =>
  toMessage(word, `v128.xor(${value}, v128.load64_splat(pad + at, ${8 * word}))`),
)}
    compress(H, M, <u64>(at + 256), at == 4096 - 128 ? 0xffffffffffffffff : 0);
  }
}

@inline
function keep(lane: usize, seal: usize, top: u64, out: usize): usize {
  if (bswap(load<u64>(H + 8 * lane)) > top) return out;
  store<u64>(out, <u64>seal);
${range(4)
  .map((i) => `  store<u64>(out, load<u64>(H + 8 * lane, ${16 * i}), ${8 + 8 * i});`)
  .join('\n')}
  return out + 40;
}

// Candidates (8 bytes of seal, 32 of quality each) to \`out\`; how many. \`present\` has a bit per seal, \`top\` is the target's
// first word: equal first words are left to the caller.
export function search(load: usize, pad: usize, padSeed: usize, top: u64, present: u64, out: usize): usize {
  const start = out;
  for (let quarter: usize = 0; quarter < 4; quarter++) {
    for (let seal = quarter; seal < 64; seal += 8) {
      const first = <u32>(present >> <u64>seal) & 1, second = <u32>(present >> <u64>(seal + 4)) & 1;
      if ((first | second) == 0) continue;
      quality(load, seal, pad + (quarter << 12), padSeed);
      if (first) out = keep(0, seal, top, out);
      if (second) out = keep(1, seal + 4, top, out);
    }
  }
  return (out - start) / 40;
}
`;
}

function miningSource(build: 'strict' | 'relaxed'): string {
  return `// Generated by scripts/wasm/mining.ts.
${KECCAK_CONSTANTS}
const H: usize = memory.data(128, 16);
const M: usize = memory.data(256, 16);
const LAST: usize = memory.data(256, 16);
${blake2bCompress(build)}
${chain('seal', false)}
${chain('unseal', true)}
${pads()}
${blake()}
${search()}
export function heapBase(): usize {
  return __heap_base;
}
`;
}

/** Scratch, 8 load buffers, 2 MiB of input (seals change in place) and 1 MiB of output. */
export const miningModule: WasmModuleSource = {
  name: 'mining',
  pages: 1 + (LOAD_BUFFERS_BYTES + 3 * 1024 * 1024) / 65_536 + 1,
  builds: ['strict', 'relaxed'],
  source: miningSource,
};
