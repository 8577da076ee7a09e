import { fileURLToPath } from 'node:url';
import { assert } from '@cairn/base';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

const PROTO_DIR = fileURLToPath(new URL('../../../proto', import.meta.url));

/** Our proto files and the services in them. Messages use camel case, numbers for uint64 (exact below 2^53), Buffers for bytes. */
const FILES = [
  'cairn/da/v1/node.proto',
  'cairn/da/v1/disperser.proto',
  'zerog/disperser.proto',
  'zerog/retriever.proto',
] as const;
export type GrpcServiceName =
  | 'cairn.da.v1.DANode'
  | 'cairn.da.v1.Disperser'
  | 'disperser.Disperser'
  | 'retriever.Retriever';

let loaded: PackageDefinition | undefined;

/** All definitions; read once, when first needed. */
export function packageDefinition(): PackageDefinition {
  loaded ??= loadSync([...FILES], {
    includeDirs: [PROTO_DIR],
    keepCase: false,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return loaded;
}

/** Methods of one service. */
export function serviceDefinition(name: GrpcServiceName): ServiceDefinition {
  let node: unknown = loadPackageDefinition(packageDefinition());
  for (const part of name.split('.')) node = (node as Record<string, unknown>)[part];
  const { service } = node as { service?: ServiceDefinition };
  assert(service !== undefined, `service ${name} is defined`);
  return service;
}
