import { type Address, CodedError, type DataRoot, type Hex, parseHash32 } from '@cairn/base';
import {
  type ChainAccount,
  createFlowWriter,
  type FlowWriter,
  openAccount,
  sectorsOf,
} from '@cairn/chain';
import type { CustodyReader } from '@cairn/chain/custody';
import { type Kernels, loadKernels } from '@cairn/kernels';
import { segmentCounts, submissionHeights } from '@cairn/merkle';
import type { DirectoryFolder, FileInfo, SignedReceipt } from '@cairn/protocol';
import type { HttpTransport } from '@cairn/rpc';
import { type BundleResult, uploadBundle } from './bundle.ts';
import { askCodedPresence, type FileHealth, healthOf } from './coded/presence.ts';
import { type RepairOptions, type RepairResult, repairFile } from './coded/repair-file.ts';
import type { ScratchSpace } from './coded/scratch.ts';
import {
  type DirectoryInput,
  type DirectoryResult,
  readDirectory,
  type StreamUploadOptions,
  type StreamUploadResult,
  uploadDirectory,
  uploadStream,
} from './directory.ts';
import type { DownloadDeps, SegmentHasher } from './download.ts';
import { downloadStream, type StreamOptions, type StreamResult } from './download-stream.ts';
import { NodeDirectory } from './nodes.ts';
import { collectReceipts, type FileOnChain, type ReceiptOptions } from './receipts.ts';
import type { DownloadSink, UploadSource } from './source.ts';
import { type UploadDeps, type UploadOptions, type UploadResult, uploadFile } from './upload.ts';

export type StorageClientOptions = {
  /** JSON-RPC of the chain; needed to upload. */
  rpcUrl?: string | undefined;
  /** Account that pays; needed to upload. */
  privateKey?: Hex | undefined;
  /** Account that pays, with its chain, when it sends other transactions as well; in place of `rpcUrl` and `privateKey`. */
  account?: ChainAccount | undefined;
  /** Finds nodes; or name them in `nodeUrls`. */
  indexerUrl?: string | undefined;
  nodeUrls?: readonly string[] | undefined;
  kernels?: Kernels | undefined;
  /** Hashing of downloaded segments in worker threads. */
  hasher?: SegmentHasher | undefined;
  transport?: HttpTransport | undefined;
  /** Where the parity of coded files is kept while they are uploaded; memory, up to 256 MiB, by default. */
  scratch?: ScratchSpace | undefined;
  /** The StorageCustody contract; needed for receipts. */
  custody?: Address | undefined;
};
export type FileStat = {
  root: DataRoot;
  info: FileInfo | null;
  nodes: {
    url: string;
    shardId: number;
    numShard: number;
    finalized: boolean;
    uploadedSegments: number;
  }[];
};
export type Cost = {
  bytes: number;
  sectors: number;
  segments: number;
  pricePerSectorWei: bigint;
  feeWei: bigint;
};

/** Uploads, downloads and asks; holds no state but connections. */
export interface StorageClient {
  readonly kernels: Kernels;
  readonly directory: NodeDirectory;
  /** The account's writer. Throws `SDK_NO_ACCOUNT` or `SDK_NO_CHAIN` when the options lack it. */
  writer(): Promise<FlowWriter>;
  upload(source: UploadSource, options?: UploadOptions): Promise<UploadResult>;
  /** Stores a stream in parts when it is larger than a fragment, encrypted when `wrap` says so. */
  uploadStream(source: UploadSource, options?: StreamUploadOptions): Promise<StreamUploadResult>;
  uploadDirectory(
    inputs: readonly DirectoryInput[],
    options?: StreamUploadOptions,
  ): Promise<DirectoryResult>;
  /** A tree of files as one file: one submission, each member read by root and path. */
  uploadBundle(
    inputs: readonly DirectoryInput[],
    options?: Omit<StreamUploadOptions, 'fragmentBytes'>,
  ): Promise<BundleResult>;
  /** A file, or one stored in several parts, verified and on demand decrypted. */
  download(
    root: string | readonly string[],
    sink: DownloadSink | ((size: number) => Promise<DownloadSink>),
    options?: StreamOptions,
  ): Promise<StreamResult>;
  /** The tree that the root of a directory or of a bundle names. */
  readDirectory(
    root: string,
    options?: Pick<StreamOptions, 'signal' | 'decrypt'>,
  ): Promise<DirectoryFolder>;
  stat(root: string, signal?: AbortSignal): Promise<FileStat>;
  /**
   * Receipts for a stored file, checked against the chain: every segment promised by `count` different providers. Throws
   * `SDK_RECEIPTS_SHORT`, `SDK_NO_CUSTODY`, `SDK_NO_CHAIN`.
   */
  receipts(file: FileOnChain, options: ReceiptOptions): Promise<SignedReceipt[]>;
  /** How much of a file, and of its parity, the nodes still hold. */
  health(root: string, signal?: AbortSignal): Promise<FileHealth>;
  /** Gives nodes what they lack of a file and its parity, copied or rebuilt. */
  repair(root: string, options?: RepairOptions): Promise<RepairResult>;
  cost(size: number): Promise<Cost>;
}

const RECEIPT_POLL_MS = 100;
/** An account that only asks. */
const ANYBODY: Hex = `0x${'11'.repeat(32)}`;

export async function createStorageClient(options: StorageClientOptions): Promise<StorageClient> {
  const kernels = options.kernels ?? (await loadKernels());
  const directory = new NodeDirectory(options);
  let identity: Promise<{ flow: Address; chainId: number }> | undefined;
  /** Flow address and chain as the first node that answers names them. */
  const network = (): Promise<{ flow: Address; chainId: number }> => {
    identity ??= (async () => {
      const failures: unknown[] = [];
      for (const { client } of await directory.writable()) {
        try {
          const { networkIdentity } = await client.getStatus({ timeoutMs: 10_000 });
          return { flow: networkIdentity.flowAddress, chainId: networkIdentity.chainId };
        } catch (error) {
          failures.push(error);
        }
      }
      throw new CodedError({
        code: 'SDK_NO_NODES',
        kind: 'unavailable',
        message: 'no storage node answers',
        cause: failures[0],
      });
    })();
    identity.catch(() => {
      identity = undefined;
    });
    return identity;
  };
  let opened = options.account;
  /** One for all writers: uploads side by side take turns with its nonces. */
  const account = (): ChainAccount => {
    if (opened) return opened;
    const { rpcUrl, privateKey } = options;
    if (!rpcUrl) throw noChain();
    if (!privateKey)
      throw new CodedError({
        code: 'SDK_NO_ACCOUNT',
        kind: 'invalid',
        message: 'no account was given',
        hint: 'give --key-file FILE, or make one with cairn wallet new',
      });
    opened = openAccount({ rpcUrl, privateKey, pollMs: RECEIPT_POLL_MS });
    return opened;
  };
  const writer = async (): Promise<FlowWriter> => {
    const paying = account();
    return createFlowWriter({ account: paying, ...(await network()) });
  };
  const priceReader = async (): Promise<Pick<FlowWriter, 'pricePerSector'>> => {
    const { rpcUrl } = options;
    if (options.account || options.privateKey) return writer();
    if (!rpcUrl) throw noChain();
    return createFlowWriter({ rpcUrl, privateKey: ANYBODY, ...(await network()) });
  };
  const custody = async (): Promise<CustodyReader> => {
    const { rpcUrl, custody: contract } = options;
    if (!rpcUrl) throw noChain();
    if (!contract)
      throw new CodedError({
        code: 'SDK_NO_CUSTODY',
        kind: 'invalid',
        message: 'no StorageCustody contract was given',
        hint: 'give --custody ADDRESS, or start a devnet',
      });
    // Most clients never need its ABI.
    const { createCustodyReader } = await import('@cairn/chain/custody');
    return createCustodyReader({ rpcUrl, contract });
  };
  const uploading: UploadDeps = {
    kernels,
    directory,
    hasher: options.hasher,
    scratch: options.scratch,
    writer,
    flow: async () => (await network()).flow,
  };
  const downloading: DownloadDeps = { kernels, directory, hasher: options.hasher };
  return {
    kernels,
    directory,
    writer,
    upload: (source, uploadOptions = {}) => uploadFile(uploading, source, uploadOptions),
    uploadStream: (source, uploadOptions = {}) => uploadStream(uploading, source, uploadOptions),
    uploadDirectory: (inputs, uploadOptions = {}) =>
      uploadDirectory(uploading, inputs, uploadOptions),
    uploadBundle: (inputs, uploadOptions = {}) => uploadBundle(uploading, inputs, uploadOptions),
    download: (root, sink, downloadOptions = {}) =>
      downloadStream(downloading, typeof root === 'string' ? [root] : root, sink, downloadOptions),
    readDirectory: (root, readOptions = {}) => readDirectory(downloading, root, readOptions),
    health: async (root, signal) =>
      healthOf(await askCodedPresence(downloading, parseHash32(root, 'root') as DataRoot, signal)),
    repair: (root, repairOptions = {}) =>
      repairFile(downloading, parseHash32(root, 'root') as DataRoot, repairOptions),
    async stat(root, signal) {
      const hash = parseHash32(root, 'root') as DataRoot;
      const nodes = await directory.writable(signal);
      const infos = await Promise.all(
        nodes.map(({ client }) =>
          client.getFileInfo(hash, true, { signal, timeoutMs: 10_000 }).catch(() => null),
        ),
      );
      return {
        root: hash,
        info: infos.find((info) => info !== null) ?? null,
        nodes: nodes.map(({ client, shard }, i) => ({
          url: client.url,
          ...shard,
          finalized: infos[i]?.finalized ?? false,
          uploadedSegments: infos[i]?.uploadedSegNum ?? 0,
        })),
      };
    },
    receipts: async (file, receiptOptions) =>
      collectReceipts({ kernels, directory, custody: await custody() }, file, receiptOptions),
    async cost(size) {
      const heights = submissionHeights(size);
      const sectors = sectorsOf(heights.map((height) => ({ height })));
      // The price is the contract's; any account may ask.
      const price = await (await priceReader()).pricePerSector();
      return {
        bytes: size,
        sectors,
        segments: segmentCounts(size).real,
        pricePerSectorWei: price,
        feeWei: price * BigInt(sectors),
      };
    },
  };
}

function noChain(): CodedError {
  return new CodedError({
    code: 'SDK_NO_CHAIN',
    kind: 'invalid',
    message: 'no chain RPC was given',
    hint: 'give --rpc URL, or start a devnet',
  });
}
