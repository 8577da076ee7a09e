// The index row of one stored segment: which sectors are there, and a checksum for each 4 KiB block over them.
import { crc32 } from 'node:zlib';

export const SLOT_BYTES = 262_144;
export const SECTOR_BYTES = 256;
export const SECTORS_PER_SLOT = 1024;
export const BLOCK_BYTES = 4096;
export const SECTORS_PER_BLOCK = 16;
export const BLOCKS_PER_SLOT = 64;

/** 1024 presence bits, bit i of byte floor(i/8) is sector i. */
export type Presence = Uint8Array;

export const emptyPresence = (): Presence => new Uint8Array(SECTORS_PER_SLOT / 8);

export function isPresent(presence: Presence, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (i % 8 === 0 && i + 8 <= end) {
      if (presence[i >> 3] !== 255) return false;
      i += 7;
    } else if (((presence[i >> 3]! >> (i & 7)) & 1) === 0) return false;
  }
  return true;
}

export function isAnyPresent(presence: Presence, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (((presence[i >> 3]! >> (i & 7)) & 1) === 1) return true;
  return false;
}

export function setPresence(presence: Presence, start: number, end: number, value: boolean): void {
  for (let i = start; i < end; i++) {
    if (value) presence[i >> 3]! |= 1 << (i & 7);
    else presence[i >> 3]! &= ~(1 << (i & 7));
  }
}

export function countPresent(presence: Presence): number {
  let count = 0;
  for (let byte of presence) for (; byte !== 0; byte &= byte - 1) count++;
  return count;
}

/** Checksum of a block of 4 KiB whose presence bits come first; absent sectors count as zeros, so a torn write to them changes nothing. */
export function blockChecksum(bytes: Uint8Array, presence: Presence): number {
  if (presence[0] === 255 && presence[1] === 255) return crc32(bytes);
  const masked = bytes.slice();
  for (let sector = 0; sector < SECTORS_PER_BLOCK; sector++) {
    if (((presence[sector >> 3]! >> (sector & 7)) & 1) === 0)
      masked.fill(0, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
  }
  return crc32(masked);
}
