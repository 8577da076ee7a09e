// XOR without linear memory: a copy into WASM and back costs more than the operation (three passes instead of one). Words of
// 4 bytes where both arrays have the same alignment; V8 does not vectorize this loop, but it runs at several GB/s.
import { checkXor, type XorKernels } from './xor.ts';

function xorBytes(target: Uint8Array, source: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) target[i]! ^= source[i]!;
}

/** `xorInPlace` for every JavaScript engine. */
export const wordXor: XorKernels = {
  xorInPlace(target, source) {
    checkXor(target, source);
    const { length } = target;
    const head = Math.min(length, -target.byteOffset & 3);
    const words = (length - head) >> 2;
    const aligned = ((target.byteOffset ^ source.byteOffset) & 3) === 0;
    if (!aligned || words === 0) return xorBytes(target, source, 0, length);
    xorBytes(target, source, 0, head);
    const a = new Uint32Array(target.buffer, target.byteOffset + head, words);
    const b = new Uint32Array(source.buffer, source.byteOffset + head, words);
    for (let i = 0; i < words; i++) a[i]! ^= b[i]!;
    xorBytes(target, source, head + 4 * words, length);
  },
};
