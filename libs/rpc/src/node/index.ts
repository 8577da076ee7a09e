export { encodeWireError } from '../wire-error.ts';
export * from './http-server.ts';
export * from './http-transport.ts';
export * from './metrics.ts';
export * from './upload-rows.ts';
