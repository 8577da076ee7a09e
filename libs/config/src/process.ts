import { readFileSync } from 'node:fs';

/**
 * Whether a process of this id runs. One that has ended but was not yet collected by its parent (a zombie, which stays for
 * ever under a container's first process that collects nothing) does not run. One of another user does.
 */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return !isZombie(pid);
}

/** Linux tells the state in `/proc`, after the name in parentheses (proc(5)); elsewhere there is nothing to read. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^ [ZXx]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return false;
  }
}
