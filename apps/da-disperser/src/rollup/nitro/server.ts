/* Nitro's DA provider over HTTP: JSON-RPC with geth's tokens when a secret is set. */
import type { Clock, Logger } from '@cairn/base';
import { HttpServer } from '@cairn/rpc/node';
import { isAuthorized } from './jwt.ts';
import { nitroMethods, type ProviderDeps } from './provider.ts';

export type NitroServerDeps = ProviderDeps & { log: Logger; clock: Clock };
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
    { log: deps.log },
    {
      ...{ host, port, maxBodyBytes: bodyBytesMax },
      methods: nitroMethods(deps, { bodyBytesMax }),
      ...(jwtSecret && {
        isAuthorized: ({ authorization }) =>
          isAuthorized(authorization, jwtSecret, clock.now() / 1000),
      }),
    },
  );
}
