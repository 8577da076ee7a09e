import { Agent, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { withTimeout } from '@cairn/base';
import { type HttpTransport, tooLarge, transportError } from '../transport.ts';

/**
 * Requests over kept-alive node:http sockets: about twice the throughput of fetch on 4 MiB bodies. One transport holds
 * at most `sockets` connections per host.
 */
export function createHttpTransport(
  options: { sockets?: number } = {},
): HttpTransport & { close(): void } {
  const settings = {
    keepAlive: true,
    maxSockets: options.sockets ?? 32,
    scheduling: 'lifo',
  } as const;
  const agent = new Agent(settings);
  const secureAgent = new SecureAgent(settings);
  const transport: HttpTransport = async (url, call) => {
    const signal = withTimeout(call.signal, call.timeoutMs);
    const target = new URL(url);
    const isSecure = target.protocol === 'https:';
    try {
      return await new Promise((resolve, reject) => {
        const parts = typeof call.body === 'string' ? [Buffer.from(call.body)] : call.body;
        const length = parts?.reduce((sum, part) => sum + part.length, 0);
        const outgoing = (isSecure ? secureRequest : request)(
          target,
          {
            method: call.method,
            agent: isSecure ? secureAgent : agent,
            headers: {
              ...call.headers,
              ...(length === undefined ? {} : { 'content-length': length }),
            },
            signal,
          },
          (incoming) => {
            const announced = Number(incoming.headers['content-length'] ?? -1);
            if (announced > call.maxBytes) {
              incoming.destroy();
              return reject(tooLarge(url, call.maxBytes));
            }
            const whole =
              announced < 0
                ? undefined
                : (call.allocate?.(announced).subarray(0, announced) ?? new Uint8Array(announced));
            const received: Uint8Array[] = [];
            let length = 0;
            incoming.on('data', (part: Uint8Array) => {
              if (length + part.length > (whole ? announced : call.maxBytes)) {
                incoming.destroy();
                return reject(tooLarge(url, call.maxBytes));
              }
              if (whole) whole.set(part, length);
              else received.push(part);
              length += part.length;
            });
            incoming.on('error', reject);
            incoming.on('end', () => {
              if (whole && length !== announced)
                return reject(new Error('the answer was cut short'));
              resolve({
                status: incoming.statusCode ?? 0,
                contentType: incoming.headers['content-type'] ?? '',
                body: whole ?? new Uint8Array(Buffer.concat(received)),
              });
            });
          },
        );
        outgoing.on('error', reject);
        outgoing.cork();
        for (const part of parts ?? []) outgoing.write(part);
        outgoing.uncork();
        outgoing.end();
      });
    } catch (error) {
      throw transportError(
        signal.aborted && !call.signal?.aborted ? signal.reason : error,
        url,
        call.signal,
      );
    }
  };
  return Object.assign(transport, {
    close() {
      agent.destroy();
      secureAgent.destroy();
    },
  });
}
