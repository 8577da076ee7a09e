/** A JSON-RPC error object, sent and received verbatim. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: string | undefined;

  constructor(code: number, message: string, data?: string) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }

  toJSON(): { code: number; message: string; data?: string } {
    return {
      code: this.code,
      message: this.message,
      ...(this.data === undefined ? {} : { data: this.data }),
    };
  }
}

/** -32602 as 0G's nodes phrase it. */
export const invalidParams = (param: string, data: string): RpcError =>
  new RpcError(-32602, `Invalid params: ${param}`, data);
/** -32603 with the cause in `data`. */
export const internalError = (data: string): RpcError =>
  new RpcError(-32603, 'Internal error', data);
/** -32000 without data. */
export const serverError = (message: string): RpcError => new RpcError(-32000, message);

export type RpcMethod = (params: readonly unknown[], context: { signal: AbortSignal }) => unknown;
