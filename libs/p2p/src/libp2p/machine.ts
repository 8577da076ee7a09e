import { readFileSync } from 'node:fs';
import { availableMemory } from 'node:process';
import { type ConnectionLimits, connectionLimits } from '../peers/limits.ts';

/** Where the limit cannot be read; the usual soft limit of a login shell. */
const FILE_DESCRIPTORS_DEFAULT = 1024;

/** Connection limits for this machine: memory by Node, file descriptors by /proc (Linux). */
export function machineLimits(): ConnectionLimits {
  return connectionLimits({ memoryBytes: availableMemory(), fileDescriptors: fileDescriptors() });
}

function fileDescriptors(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft ? Number(soft) : FILE_DESCRIPTORS_DEFAULT;
  } catch {
    return FILE_DESCRIPTORS_DEFAULT;
  }
}
