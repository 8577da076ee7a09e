// The client side of bare-server.ts: files over plain HTTP, synced, with nothing checked.
import { closeSync, createReadStream, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { request } from 'node:http';

const MIB = 1024 * 1024;

/** Writes a file whose every segment differs from earlier rounds. */
export function writeInput(path: string, base: Uint8Array, round: number): void {
  const file = openSync(path, 'w');
  for (let at = 0; at < base.length; at += 262_144) {
    base[at] = round;
    base[at + 1] = round >> 8;
  }
  writeSync(file, base);
  fdatasyncSync(file);
  closeSync(file);
}

export function barePut(port: number, path: string, size: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/in', method: 'PUT', headers: { 'content-length': size } },
      (answer) => {
        answer.resume().on('end', resolve);
      },
    );
    outgoing.on('error', reject);
    createReadStream(path, { highWaterMark: MIB }).pipe(outgoing);
  });
}

export async function bareGet(port: number, output: string): Promise<void> {
  const file = await open(output, 'w');
  await new Promise<void>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/in', highWaterMark: MIB } as object, (answer) => {
      (async () => {
        for await (const part of answer) await file.write(part as Uint8Array);
      })().then(resolve, reject);
    })
      .on('error', reject)
      .end();
  });
  await file.datasync();
  await file.close();
}
