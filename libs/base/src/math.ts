/** `ceil(a / b)` for non-negative safe integers. */
export function divCeil(a: number, b: number): number {
  return Math.floor((a + b - 1) / b);
}

/** Smallest power of two at or above `n` (n ≥ 1, exact below 2^53). */
export function nextPowerOfTwo(n: number): number {
  let p = 1;
  while (p < n) p *= 2;
  return p;
}

/** True for 1, 2, 4, … below 2^53. */
export function isPowerOfTwo(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 1 && nextPowerOfTwo(n) === n;
}

/** `log2` of an exact power of two. */
export function log2Exact(n: number): number {
  let h = 0;
  for (let p = 1; p < n; p *= 2) h++;
  return h;
}
