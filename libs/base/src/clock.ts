/** Time, injected so that tests decide it. Milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic milliseconds, for durations. */
  monotonic(): number;
  /** Resolves after `ms`, rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};

/** Randomness, injected so that a seed repeats a run. */
export interface RandomSource {
  /** A float in [0, 1). */
  next(): number;
  /** `length` fresh bytes. */
  bytes(length: number): Uint8Array;
}

export const systemRandom: RandomSource = {
  next: () => Math.random(),
  bytes(length) {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 65536)
      crypto.getRandomValues(out.subarray(at, Math.min(length, at + 65536)));
    return out;
  },
};

/** A repeatable source (xorshift128+ style, 32-bit); not for secrets. */
export function seededRandom(seed: number): RandomSource {
  let a = seed | 0 || 0x9e3779b9;
  let b = (seed ^ 0x85ebca6b) | 0;
  const next32 = (): number => {
    let t = a;
    const s = b;
    a = s;
    t ^= t << 23;
    t ^= t >>> 17;
    t ^= s ^ (s >>> 26);
    b = t;
    return (t + s) >>> 0;
  };
  for (let i = 0; i < 16; i++) next32();
  return {
    next: () => next32() / 2 ** 32,
    bytes(length) {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = next32() & 255;
      return out;
    },
  };
}
