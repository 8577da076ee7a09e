// Runs in the browser: the SDK as an app bundles it.
import { BytesSink, blobSource, createStorageClient, encryptedSource, newCipher } from '@cairn/sdk';

export type PageInput = {
  rpcUrl: string;
  indexerUrl: string;
  privateKey: `0x${string}`;
  size: number;
};
export type PageResult = {
  root: string;
  backend: string;
  equal: boolean;
  equalEncrypted: boolean;
  bytes: number;
  progress: number;
  error: string;
};

async function run({ size, ...network }: PageInput): Promise<PageResult> {
  const client = await createStorageClient(network);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536)
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  let progress = 0;
  const { root } = await client.upload(blobSource(new Blob([bytes])), {
    onProgress: () => {
      progress++;
    },
  });
  const sink = new BytesSink(size);
  const result = await client.download(root, sink);

  const key = crypto.getRandomValues(new Uint8Array(32));
  const source = encryptedSource(blobSource(new Blob([bytes])), await newCipher({ key }));
  const stored = await client.upload(source);
  const opened = new BytesSink(size);
  await client.download(stored.root, opened, { decrypt: { key } });
  const missing = await client
    .download(`0x${'12'.repeat(32)}`, new BytesSink(1))
    .catch((error: unknown) => (error as { code: string }).code);
  const isEqual = (other: Uint8Array): boolean => bytes.every((byte, i) => byte === other[i]);
  return {
    root,
    backend: client.kernels.backend,
    equal: isEqual(sink.bytes),
    equalEncrypted: isEqual(opened.bytes),
    bytes: result.bytes,
    progress,
    error: String(missing),
  };
}

Object.assign(globalThis, { run });
