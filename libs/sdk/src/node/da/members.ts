import { CodedError } from '@cairn/base';
import { DaNodeClient } from '@cairn/rpc/grpc';

/** Connections kept; a quorum has at most 1,024 members. */
const CLIENTS_MAX = 2048;

/** Connections to members, one per endpoint, opened when first used. */
export class MemberPool implements Disposable {
  readonly #clients = new Map<string, DaNodeClient>();

  /** Throws `SDK_DA_ENDPOINT` for what is not `host:port`. */
  at(endpoint: string): DaNodeClient {
    const known = this.#clients.get(endpoint);
    if (known) return known;
    if (!/^[^\s/:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(endpoint))
      throw new CodedError({
        code: 'SDK_DA_ENDPOINT',
        kind: 'invalid',
        message: `not an endpoint: ${endpoint.slice(0, 80)}`,
      });
    if (this.#clients.size >= CLIENTS_MAX) {
      const [oldest, client] = this.#clients.entries().next().value!;
      client.close();
      this.#clients.delete(oldest);
    }
    const client = new DaNodeClient(endpoint);
    this.#clients.set(endpoint, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
