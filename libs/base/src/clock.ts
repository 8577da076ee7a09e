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

/**
 * A repeatable source for tests and simulations; not for secrets. xoshiro128** (Blackman and Vigna, 2018): 128 bits of state,
 * period 2^128 - 1 from every state but zero. `next()` has 32 bits of resolution; `bytes` takes a fresh word for every four
 * bytes, lowest byte first.
 */
export function seededRandom(seed: number): RandomSource {
  // Seeds that differ in one bit must not give related streams, so the state is spread by a hash of (seed, word). For one seed
  // the four words are images of distinct inputs under a bijection, hence never all zero.
  let [a, b, c, d] = [1, 2, 3, 4].map((word) =>
    mix32((seed | 0) + Math.imul(word, 0x9e3779b9)),
  ) as [number, number, number, number];
  const next32 = (): number => {
    const word = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotateLeft(d, 11);
    return word;
  };
  return {
    next: () => next32() / 2 ** 32,
    bytes(length) {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 4) {
        const word = next32();
        const end = Math.min(4, length - at);
        for (let i = 0; i < end; i++) out[at + i] = word >>> (8 * i);
      }
      return out;
    },
  };
}

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** A bijection of 32-bit words in which every input bit sways every output bit (the finaliser of MurmurHash3). */
function mix32(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
