// Calls one gRPC server with promises and async iterables; failures come back as coded errors.
import { assert, CodedError } from '@cairn/base';
import {
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  type CallOptions as GrpcCallOptions,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { type GrpcServiceName, serviceDefinition } from './definitions.ts';
import { statusToError } from './status.ts';

export type GrpcCallSettings = { signal?: AbortSignal | undefined; timeoutMs: number };

export class GrpcClient implements Disposable {
  /** `host:port`. */
  readonly target: string;
  readonly #client: Client;
  readonly #methods: ReadonlyMap<string, MethodDefinition<unknown, unknown>>;

  constructor(target: string, service: GrpcServiceName, options: { messageBytesMax: number }) {
    this.target = target;
    const channel: ChannelOptions = {
      'grpc.max_receive_message_length': options.messageBytesMax,
      'grpc.max_send_message_length': options.messageBytesMax,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2000,
    };
    this.#client = new Client(target, credentials.createInsecure(), channel);
    this.#methods = new Map(Object.entries(serviceDefinition(service)));
  }

  /** One message to one message. Rejects with the server's coded error, `RPC_UNREACHABLE`, `RPC_TIMEOUT` or the signal's reason. */
  unary<Out>(name: string, message: unknown, settings: GrpcCallSettings): Promise<Out> {
    const method = this.#method(name);
    return this.#single<Out>(settings, (options, done) =>
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        message,
        options,
        done,
      ),
    );
  }

  /** A stream of messages to one; sends as fast as the server takes them. */
  clientStream<Out>(
    name: string,
    messages: Iterable<unknown> | AsyncIterable<unknown>,
    settings: GrpcCallSettings,
  ): Promise<Out> {
    const method = this.#method(name);
    return this.#single<Out>(settings, (options, done) => {
      const call = this.#client.makeClientStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        options,
        done,
      );
      let isOver = false;
      call.on('status', () => {
        isOver = true;
      });
      const send = async (): Promise<void> => {
        for await (const message of messages) {
          if (isOver) return; // refused before everything was sent
          if (!call.write(message))
            await new Promise<void>((resolve) => {
              call.once('drain', resolve);
              call.once('status', () => resolve());
              call.once('error', () => resolve());
            });
        }
        call.end();
      };
      send().catch(() => call.cancel()); // the source failed: its error is the caller's
      return call;
    });
  }

  /** One message to a stream. Leaving the loop cancels the call. */
  async *serverStream<Out>(
    name: string,
    message: unknown,
    settings: GrpcCallSettings,
  ): AsyncGenerator<Out> {
    const method = this.#method(name);
    settings.signal?.throwIfAborted();
    const call: ClientReadableStream<unknown> = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      message,
      optionsOf(settings),
    );
    const onAbort = (): void => call.cancel();
    settings.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for await (const part of call) yield part as Out;
    } catch (error) {
      throw statusToError(error as ServiceError, this.target, settings.signal);
    } finally {
      settings.signal?.removeEventListener('abort', onAbort);
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #method(name: string): MethodDefinition<unknown, unknown> {
    const method = this.#methods.get(name);
    assert(method !== undefined, `method ${name} is defined`);
    return method;
  }

  #single<Out>(
    settings: GrpcCallSettings,
    start: (
      options: GrpcCallOptions,
      done: (error: ServiceError | null, value?: unknown) => void,
    ) => ClientUnaryCall | { cancel(): void },
  ): Promise<Out> {
    const { signal } = settings;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const done = (error: ServiceError | null, value?: unknown): void => {
        signal?.removeEventListener('abort', onAbort);
        if (error) reject(statusToError(error, this.target, signal));
        else if (value === undefined) reject(noAnswer(this.target));
        else resolve(value as Out);
      };
      const call = start(optionsOf(settings), done);
      const onAbort = (): void => call.cancel();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

function optionsOf({ timeoutMs }: GrpcCallSettings): GrpcCallOptions {
  return { deadline: Date.now() + timeoutMs };
}

function noAnswer(target: string): CodedError {
  return new CodedError({
    code: 'RPC_BAD_RESPONSE',
    kind: 'invalid',
    message: `${target} answered nothing`,
    details: { target },
  });
}
