export type ConnectionLimits = {
  /** Connections in all. */
  connectionsMax: number;
  /** New connections a second from one host. */
  inboundPerHostPerSecond: number;
  /** Dials at once. */
  dialsMax: number;
};

/** Memory one connection may take at worst: its yamux windows in both directions and handshake state. */
const BYTES_PER_CONNECTION = 4 * 1024 * 1024;
/** Share of memory and of file descriptors that connections may use; volumes, database and HTTP need the rest. */
const MEMORY_SHARE = 1 / 8;
const DESCRIPTOR_SHARE = 1 / 4;
const CONNECTIONS_MIN = 8;
/** More peers than this bring no more data: gossip keeps a mesh of 6 to 12, sync uses a few at once. */
const CONNECTIONS_MAX = 300;

/** How many connections this machine can carry. `memoryBytes` is what the process may use. */
export function connectionLimits(machine: {
  memoryBytes: number;
  fileDescriptors: number;
}): ConnectionLimits {
  const byMemory = Math.floor((machine.memoryBytes * MEMORY_SHARE) / BYTES_PER_CONNECTION);
  const byDescriptors = Math.floor(machine.fileDescriptors * DESCRIPTOR_SHARE);
  const connectionsMax = Math.max(
    CONNECTIONS_MIN,
    Math.min(CONNECTIONS_MAX, byMemory, byDescriptors),
  );
  return {
    connectionsMax,
    inboundPerHostPerSecond: 16,
    dialsMax: Math.min(32, connectionsMax),
  };
}
