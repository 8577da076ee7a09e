// A plain Keccak-256 in WebAssembly, one input at a time on 64-bit words: what the two-lane SIMD kernel must beat to be worth
// its place. Compiled at start; FIPS 202 section 3.2, rate 136, padding 0x01.
import asc from 'assemblyscript/asc';

const ROUNDS = 24;
const RATE = 136;
const STATE = Array.from({ length: 25 }, (_, i) => i);

/** Rotation of lane (x, y) at index x + 5y: the t-th lane of the walk (x, y) -> (y, 2x + 3y) turns by (t + 1)(t + 2) / 2. */
function rotations(): number[] {
  const turns = new Array<number>(25).fill(0);
  for (let t = 0, x = 1, y = 0; t < 24; t++) {
    turns[x + 5 * y] = (((t + 1) * (t + 2)) / 2) % 64;
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  return turns;
}

/** Round constants by the LFSR x^8 + x^6 + x^5 + x^4 + 1. */
function roundConstants(): bigint[] {
  let register = 1;
  return Array.from({ length: ROUNDS }, () => {
    let constant = 0n;
    for (let j = 0; j <= 6; j++) {
      if (register & 1) constant |= 1n << BigInt(2 ** j - 1);
      register = register & 0x80 ? ((register << 1) ^ 0x171) & 0xff : register << 1;
    }
    return constant;
  });
}

function round(): string {
  const turns = rotations();
  const lines: string[] = [];
  for (let x = 0; x < 5; x++)
    lines.push(`const c${x} = ${[0, 5, 10, 15, 20].map((y) => `a${x + y}`).join(' ^ ')};`);
  for (let x = 0; x < 5; x++)
    lines.push(`const d${x} = c${(x + 4) % 5} ^ rotl<u64>(c${(x + 1) % 5}, 1);`);
  for (const i of STATE) {
    const [x, y] = [i % 5, Math.floor(i / 5)];
    lines.push(`const b${y + 5 * ((2 * x + 3 * y) % 5)} = rotl<u64>(a${i} ^ d${x}, ${turns[i]});`);
  }
  for (const i of STATE) {
    const row = i - (i % 5);
    lines.push(`a${i} = b${i} ^ (~b${row + ((i + 1) % 5)} & b${row + ((i + 2) % 5)});`);
  }
  lines.push('a0 ^= load<u64>(CONSTANTS + (r << 3));');
  return lines.map((line) => `      ${line}`).join('\n');
}

const source = (): string => `
const CONSTANTS: usize = memory.data<u64>([${roundConstants().join(', ')}]);
const LAST: usize = memory.data(${RATE});
function hashOne(at: usize, bytes: usize, out: usize): void {
  let ${STATE.map((i) => `a${i}: u64 = 0`).join(', ')};
  let left: usize = bytes, last = false;
  while (!last) {
    if (left < ${RATE}) {
      memory.copy(LAST, at, left);
      memory.fill(LAST + left, 0, ${RATE} - left);
      store<u8>(LAST + left, 1);
      store<u8>(LAST + ${RATE - 1}, load<u8>(LAST + ${RATE - 1}) | 0x80);
      at = LAST;
      last = true;
    }
${STATE.slice(0, RATE / 8)
  .map((i) => `    a${i} ^= load<u64>(at, ${8 * i});`)
  .join('\n')}
    for (let r: usize = 0; r < ${ROUNDS}; r++) {
${round()}
    }
    at += ${RATE};
    left -= ${RATE};
  }
${[0, 1, 2, 3].map((i) => `  store<u64>(out, a${i}, ${8 * i});`).join('\n')}
}
export function many(input: usize, bytes: usize, count: usize, out: usize): void {
  for (let i: usize = 0; i < count; i++) hashOne(input + i * bytes, bytes, out + 32 * i);
}
export function heapBase(): usize { return __heap_base; }
`;

type Exports = {
  memory: WebAssembly.Memory;
  many(input: number, bytes: number, count: number, out: number): void;
  heapBase(): number;
};

/** Bytes copied in at a time, as the SIMD kernel does. */
const BLOCK_BYTES = 64 * 1024;

/** Hashes of consecutive items of `itemBytes`, into `out` (32 B each). Throws when the module does not compile. */
export async function scalarKeccak(): Promise<
  (input: Uint8Array, itemBytes: number, out: Uint8Array) => void
> {
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(
    'scalar.ts --outFile scalar.wasm -O3 --converge --noAssert --runtime stub --uncheckedBehavior always --initialMemory 8'.split(
      ' ',
    ),
    {
      readFile: (name) => (name === 'scalar.ts' ? source() : null),
      writeFile: (_, contents) => {
        binary = Uint8Array.from(contents as unknown as Uint8Array);
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) throw new Error(`scalar Keccak: ${error?.message}\n${stderr.toString()}`);
  const { instance } = await WebAssembly.instantiate(binary, { env: { abort: () => {} } });
  const wasm = instance.exports as unknown as Exports;
  const memory = new Uint8Array(wasm.memory.buffer);
  const inputAt = (wasm.heapBase() + 63) & ~63;
  const outputAt = inputAt + BLOCK_BYTES;
  return (input, itemBytes, out) => {
    const perCall = Math.floor(BLOCK_BYTES / itemBytes);
    const count = input.length / itemBytes;
    for (let at = 0; at < count; at += perCall) {
      const n = Math.min(perCall, count - at);
      memory.set(input.subarray(at * itemBytes, (at + n) * itemBytes), inputAt);
      wasm.many(inputAt, itemBytes, n, outputAt);
      out.set(memory.subarray(outputAt, outputAt + 32 * n), 32 * at);
    }
  };
}
