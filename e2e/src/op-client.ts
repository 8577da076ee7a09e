// A client of OP's alt-DA servers, written from spec/rollup-interfaces.md section 1 alone: what op-batcher and op-node do.

export type OpAnswer = { status: number; type: string | null; bytes: Uint8Array; text: string };

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

export class OpClient {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async request(path: string, init: RequestInit = {}): Promise<OpAnswer> {
    const response = await fetch(`${this.url}${path}`, { redirect: 'manual', ...init });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      bytes,
      text: Buffer.from(bytes).toString(),
    };
  }

  post(path: string, input: Uint8Array): Promise<OpAnswer> {
    return this.request(path, {
      method: 'POST',
      body: input as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': 'application/octet-stream' },
    });
  }

  /** A generic commitment for an input. Exactly 200 counts. */
  async put(input: Uint8Array): Promise<Uint8Array> {
    const { status, bytes, text } = await this.post('/put', input);
    if (status !== 200) throw new Error(`PUT answered ${status}: ${text}`);
    if (bytes.length === 0 || bytes[0] !== 1) throw new Error('not a generic commitment');
    return bytes;
  }

  get(commitment: Uint8Array, query = ''): Promise<OpAnswer> {
    return this.request(`/get/${hex(commitment)}${query}`);
  }

  /** The input of a commitment. */
  async input(commitment: Uint8Array): Promise<Uint8Array> {
    const { status, bytes, text } = await this.get(commitment);
    if (status !== 200) throw new Error(`GET answered ${status}: ${text}`);
    return bytes;
  }
}
