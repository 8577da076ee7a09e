import type { Logger } from '@cairn/base';
import type { Metrics } from '@cairn/telemetry';
import { type HttpRoute, HttpServer } from './http-server.ts';

/** `GET /metrics` in Prometheus' text format. */
export function metricsRoute(metrics: Metrics): HttpRoute {
  return {
    methods: ['GET'],
    pattern: /^\/metrics$/,
    async handle(_request, response) {
      const text = await metrics.text();
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text);
    },
  };
}

/** A port that answers with metrics and nothing else. Throws `HTTP_PORT_IN_USE` or `HTTP_CANNOT_LISTEN`. */
export async function startMetricsServer(
  { log, metrics }: { log: Logger; metrics: Metrics },
  options: { host: string; port: number },
): Promise<HttpServer> {
  const routes = [metricsRoute(metrics)];
  const server = new HttpServer({ log }, { ...options, maxBodyBytes: 1024, routes });
  await server.start();
  return server;
}
