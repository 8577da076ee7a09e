// The two HTTP servers of a node: the public one and the operator's, or one for both when their ports are equal.
import type { Logger } from '@cairn/base';
import type { RpcMethod } from '@cairn/rpc';
import { type HttpRoute, HttpServer, metricsRoute } from '@cairn/rpc/node';
import type { NodeConfig } from '../config.ts';
import type { NodeMetrics } from '../metrics.ts';

export type ServersDeps = {
  log: Logger;
  metrics: NodeMetrics;
  methods: Record<string, RpcMethod>;
  adminMethods: Record<string, RpcMethod>;
  /** Binary routes of the public one. */
  routes: readonly HttpRoute[];
};
export type Servers = { server: HttpServer; adminServer: HttpServer; isShared: boolean };

const BODY_BYTES_MAX = 100 * 1024 * 1024;
const ADMIN_BODY_BYTES_MAX = 1024 * 1024;

export function createServers(deps: ServersDeps, config: NodeConfig): Servers {
  const { log, metrics, methods, adminMethods, routes } = deps;
  const isShared = config.adminPort !== 0 && config.adminPort === config.rpcPort;
  const metricsPage = metricsRoute(metrics.metrics);
  const onCall = (method: string, outcome: 'ok' | 'error', seconds: number): void =>
    metrics.rpcSeconds.observe({ method, outcome }, seconds);
  const server = new HttpServer(
    { log: log.child({ component: 'rpc' }), onCall },
    {
      host: config.rpcHost,
      port: config.rpcPort,
      maxBodyBytes: BODY_BYTES_MAX,
      methods: isShared ? { ...methods, ...adminMethods } : methods,
      routes: [...routes, ...(isShared ? [metricsPage] : [])],
    },
  );
  if (isShared) return { server, adminServer: server, isShared };
  const adminServer = new HttpServer(
    { log: log.child({ component: 'admin' }), onCall },
    {
      host: config.adminHost,
      port: config.adminPort,
      maxBodyBytes: ADMIN_BODY_BYTES_MAX,
      methods: adminMethods,
      routes: [metricsPage],
    },
  );
  return { server, adminServer, isShared };
}
