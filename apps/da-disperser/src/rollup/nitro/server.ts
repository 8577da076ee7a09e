/* Nitro's DA provider: JSON-RPC over HTTP and WebSocket, with geth's tokens (in the upgrade, for WebSocket) when a secret is set. */
import type { Clock, Logger } from '@cairn/base';
import { HttpServer } from '@cairn/rpc/node';
import { isAuthorized } from './jwt.ts';
import { nitroMethods, type ProviderDeps } from './provider.ts';

export type NitroServerDeps = ProviderDeps & {
  log: Logger;
  clock: Clock;
  /** Called after each method. */
  onCall?: ((method: string, outcome: 'ok' | 'error', seconds: number) => void) | undefined;
};
export type NitroServerOptions = {
  host: string;
  port: number;
  bodyBytesMax: number;
  /** Shared with the rollup's node; without one anybody who reaches the port may store. */
  jwtSecret: Uint8Array | undefined;
};

export function createNitroServer(deps: NitroServerDeps, options: NitroServerOptions): HttpServer {
  const { host, port, bodyBytesMax, jwtSecret } = options;
  const { clock } = deps;
  return new HttpServer(
    { log: deps.log, onCall: deps.onCall },
    {
      ...{ host, port, maxBodyBytes: bodyBytesMax, webSocket: true },
      methods: nitroMethods(deps, { bodyBytesMax }),
      ...(jwtSecret && {
        isAuthorized: ({ authorization }) =>
          isAuthorized(authorization, jwtSecret, clock.now() / 1000),
      }),
    },
  );
}
