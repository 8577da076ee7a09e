/*
 * A gRPC server, on a port of its own or on connections that another server hands it: handlers are async functions (or generators) that get the request and a signal, and throw coded errors. The
 * standard health service and server reflection come with it. Bounds: message size, calls at once, connections' streams.
 */
import type { Socket } from 'node:net';
import { assert, CodedError, errorMessage, isCodedError, type Logger } from '@cairn/base';
import {
  type ConnectionInjector,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { type GrpcServiceName, packageDefinition, serviceDefinition } from './definitions.ts';
import { errorToStatus } from './status.ts';

export type GrpcContext = {
  /** Aborts when the client goes away or the server stops. */
  signal: AbortSignal;
  /** `host:port` of the other side. */
  peer: string;
};
/**
 * One method. Unary and server-streaming methods get the message, client-streaming ones an async iterable of messages;
 * server-streaming ones return an async iterable, which is read as fast as the client takes it.
 */
export type GrpcMethod = (request: never, context: GrpcContext) => unknown;
export type GrpcService = { name: GrpcServiceName; methods: Readonly<Record<string, GrpcMethod>> };

export type GrpcServerDeps = {
  log: Logger;
  /** Called after each method. */
  onCall?: ((method: string, outcome: 'ok' | 'error', seconds: number) => void) | undefined;
};
export type GrpcServerOptions = {
  /** Where `start` listens; a server that is only handed connections has neither. */
  host?: string | undefined;
  port?: number | undefined;
  /** Largest message in either direction. */
  messageBytesMax: number;
  services: readonly GrpcService[];
  /** Streams one connection may hold, 100 by default. */
  streamsMax?: number | undefined;
};

export class GrpcServer implements AsyncDisposable {
  readonly #deps: GrpcServerDeps;
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #stopped = new AbortController();
  #injector: ConnectionInjector | undefined;
  #isStopping = false;
  #port = 0;

  constructor(deps: GrpcServerDeps, options: GrpcServerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.messageBytesMax,
      'grpc.max_send_message_length': options.messageBytesMax,
      'grpc.max_concurrent_streams': options.streamsMax ?? 100,
      'grpc.keepalive_time_ms': 30_000,
    });
    for (const { name, methods } of options.services)
      this.#server.addService(serviceDefinition(name), this.#implement(name, methods));
    this.#health = new HealthImplementation(
      Object.fromEntries(
        ['', ...options.services.map(({ name }) => name)].map((n) => [n, 'SERVING']),
      ),
    );
    this.#health.addToServer(this.#server);
    new ReflectionService(packageDefinition(), {
      services: options.services.map(({ name }) => name),
    }).addToServer(this.#server);
  }

  /** Throws `GRPC_CANNOT_LISTEN`. */
  start(): Promise<void> {
    const { host, port } = this.#options;
    assert(host !== undefined && port !== undefined, 'a server that listens has host and port');
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(
        `${host}:${port}`,
        ServerCredentials.createInsecure(),
        (error, bound) => {
          if (!error) {
            this.#port = bound;
            return resolve();
          }
          reject(
            new CodedError({
              code: 'GRPC_CANNOT_LISTEN',
              kind: 'conflict',
              message: `cannot listen on port ${port} of ${host}: ${errorMessage(error)}`,
              hint: 'stop the other program, or choose another port (0 picks a free one)',
              details: { host, port },
              cause: error,
            }),
          );
        },
      );
    });
  }

  /** Serves a connection that begins with the preface of HTTP/2. */
  accept(socket: Socket): void {
    if (this.#isStopping) {
      socket.destroy();
      return;
    }
    this.#injector ??= this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#injector.injectConnection(socket);
  }

  get port(): number {
    return this.#port;
  }

  /** `host:port` that clients dial once it has started. */
  get address(): string {
    const { host } = this.#options;
    return `${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${this.#port}`;
  }

  /** Lets calls in flight end for up to `graceMs`, then cuts them. Idempotent. */
  async stop(graceMs = 3000): Promise<void> {
    this.#isStopping = true;
    const closed = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    const grace = AbortSignal.timeout(graceMs);
    await Promise.race([
      closed,
      new Promise<void>((resolve) => grace.addEventListener('abort', () => resolve())),
    ]);
    this.#stopped.abort(
      new CodedError({ code: 'GRPC_STOPPED', kind: 'cancelled', message: 'the server stopped' }),
    );
    this.#server.forceShutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #implement(
    service: GrpcServiceName,
    methods: Readonly<Record<string, GrpcMethod>>,
  ): UntypedServiceImplementation {
    const out: UntypedServiceImplementation = {};
    for (const [name, definition] of Object.entries(serviceDefinition(service))) {
      const method = methods[name];
      if (!method) continue; // answered UNIMPLEMENTED
      const run = <T>(context: GrpcContext, work: () => Promise<T>): Promise<T> =>
        this.#watched(`${service}/${name}`, context, work);
      out[name] = definition.responseStream
        ? this.#streamOut(method, run, definition.requestStream)
        : this.#singleOut(method, run, definition.requestStream);
    }
    return out;
  }

  #singleOut(
    method: GrpcMethod,
    run: Runner,
    isStreamIn: boolean,
  ): handleUnaryCall<unknown, unknown> | handleClientStreamingCall<unknown, unknown> {
    return (
      call: ServerUnaryCall<unknown, unknown> | ServerReadableStream<unknown, unknown>,
      callback: (error: Partial<ReturnType<typeof errorToStatus>> | null, value?: unknown) => void,
    ): void => {
      const context = this.#context(call);
      const request = isStreamIn ? call : (call as ServerUnaryCall<unknown, unknown>).request;
      run(context, async () => method(request as never, context)).then(
        (value) => callback(null, value),
        (error: unknown) => callback(errorToStatus(error)),
      );
    };
  }

  #streamOut(
    method: GrpcMethod,
    run: Runner,
    isStreamIn: boolean,
  ): handleServerStreamingCall<unknown, unknown> | handleBidiStreamingCall<unknown, unknown> {
    return (call: ServerWritableStream<unknown, unknown>): void => {
      const context = this.#context(call);
      const request = isStreamIn ? call : call.request;
      run(context, async () => {
        for await (const part of method(request as never, context) as AsyncIterable<unknown>) {
          context.signal.throwIfAborted();
          if (!call.write(part)) await drained(call, context.signal);
        }
      }).then(
        () => call.end(),
        (error: unknown) => call.emit('error', errorToStatus(error)),
      );
    };
  }

  #context(call: {
    on(event: 'cancelled', listener: () => void): unknown;
    getPeer(): string;
  }): GrpcContext {
    const gone = new AbortController();
    call.on('cancelled', () =>
      gone.abort(
        new CodedError({
          code: 'GRPC_CLIENT_GONE',
          kind: 'cancelled',
          message: 'the client went away',
        }),
      ),
    );
    return {
      signal: AbortSignal.any([gone.signal, this.#stopped.signal]),
      peer: call.getPeer(),
    };
  }

  async #watched<T>(
    method: string,
    { signal, peer }: GrpcContext,
    work: () => Promise<T>,
  ): Promise<T> {
    const { log, onCall } = this.#deps;
    const started = performance.now();
    try {
      const value = await work();
      onCall?.(method, 'ok', (performance.now() - started) / 1000);
      return value;
    } catch (error) {
      onCall?.(method, 'error', (performance.now() - started) / 1000);
      if (
        !isCodedError(error) &&
        !signal.aborted &&
        errorToStatus(error).details === 'internal error'
      )
        log.error(
          { method, peer, error: error instanceof Error ? error.stack : String(error) },
          'method failed',
        );
      throw error;
    }
  }
}

type Runner = <T>(context: GrpcContext, work: () => Promise<T>) => Promise<T>;

function drained(call: ServerWritableStream<unknown, unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      call.off('drain', onDrain);
      signal.removeEventListener('abort', onAbort);
    };
    const onDrain = (): void => {
      done();
      resolve();
    };
    const onAbort = (): void => {
      done();
      reject(signal.reason);
    };
    call.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
