import { type Clock, CodedError, RateLimit } from '@cairn/base';

export type PeerRatesOptions = {
  /** Calls of one host; a second's worth may come at once. */
  perSecond: number;
  /** Hosts remembered; the one that came first is forgotten for a new one. */
  hostsMax: number;
};

/** Bounds how often each host may call. Ports of one host are one caller. */
export class PeerRates {
  readonly #clock: Clock;
  readonly #options: PeerRatesOptions;
  readonly #rates = new Map<string, RateLimit>();

  constructor(clock: Clock, options: PeerRatesOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Counts a call of `peer` (`host:port`). Throws `DA_TOO_MANY_CALLS` (exhausted). */
  count(peer: string): void {
    const { perSecond, hostsMax } = this.#options;
    const host = peer.slice(0, Math.max(0, peer.lastIndexOf(':')));
    let rate = this.#rates.get(host);
    if (!rate) {
      if (this.#rates.size >= hostsMax) this.#rates.delete(this.#rates.keys().next().value!);
      rate = new RateLimit(this.#clock, perSecond);
      this.#rates.set(host, rate);
    }
    if (rate.tryTake()) return;
    throw new CodedError({
      code: 'DA_TOO_MANY_CALLS',
      kind: 'exhausted',
      message: `more than ${perSecond} calls a second from ${host}`,
      hint: 'slow down',
      details: { perSecond },
    });
  }
}
