// A libp2p peer that keeps to the transport's rules and to none of ours: it says any bytes on any protocol. For tests of nodes.
import { systemRandom } from '@cairn/base';
import type { Connection } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { privateKeyFromSeed } from '../libp2p/identity.ts';

export type StrangerOptions = {
  /** The address of this machine to come from: nodes count connections by host. */
  localAddress?: string | undefined;
  /** 32 bytes that its peer id follows from; random ones by default. */
  seed?: Uint8Array | undefined;
};

export type Stranger = AsyncDisposable & {
  peerId: string;
  isConnected(): boolean;
  /**
   * Opens a stream of the protocol, says the bytes, and resolves when the stream has ended at both sides, or after `waitMs`
   * (the stream is then reset). `isCut` resets it at once instead of ending our side. False when no stream could be opened.
   */
  say(
    protocol: string,
    bytes: Uint8Array,
    options?: { isCut?: boolean | undefined; waitMs?: number | undefined },
  ): Promise<boolean>;
};

const DIAL_MS = 5000;
const WAIT_MS = 200;

/** Dials a node. Throws what libp2p throws when it cannot be reached or closes at once. */
export async function dialAsStranger(
  address: string,
  options: StrangerOptions = {},
): Promise<Stranger> {
  const { localAddress } = options;
  const dialOpts = { noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) };
  const node = await createLibp2p({
    privateKey: await privateKeyFromSeed(options.seed ?? systemRandom.bytes(32)),
    addresses: { listen: [] },
    transports: [tcp({ dialOpts })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
  });
  let connection: Connection;
  try {
    connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(DIAL_MS) });
  } catch (error) {
    await node.stop();
    throw error;
  }
  return {
    peerId: node.peerId.toString(),
    isConnected: () => connection.status === 'open',
    async say(protocol, bytes, { isCut = false, waitMs = WAIT_MS } = {}) {
      try {
        const signal = AbortSignal.timeout(waitMs);
        const stream = await connection.newStream(protocol, { signal });
        const ended = new Promise<void>((resolve) => {
          stream.addEventListener('close', () => resolve(), { once: true });
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        if (bytes.length > 0) stream.send(bytes);
        if (isCut) stream.abort(new Error('cut'));
        else {
          stream.close({ signal }).catch(() => {}); // the other side may be faster
          await ended;
          if (stream.status !== 'closed') stream.abort(new Error('waited long enough'));
        }
        return true;
      } catch {
        return false; // refused, or the connection is gone
      }
    },
    [Symbol.asyncDispose]: async () => {
      await node.stop();
    },
  };
}
