// A stream state in memory: what replay sees in these tests.
import type { Address, Hash32 } from '@cairn/base';
import {
  CONTROL,
  type ControlGroup,
  type ControlOp,
  controlGroup,
  NO_ACCOUNT,
  type ReplayOutcome,
  type StreamView,
} from '../src/index.ts';

export const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

export class MemoryView implements StreamView {
  readonly watched = new Set<Hash32>();
  readonly versions = new Map<string, number>();
  readonly roles: {
    streamId: Hash32;
    op: ControlOp;
    key: string;
    account: Address;
  }[] = [];

  isWatched(streamId: Hash32): boolean {
    return this.watched.has(streamId);
  }

  latestVersion(streamId: Hash32, key: Uint8Array): number {
    return this.versions.get(streamId + hex(key)) ?? 0;
  }

  isNew(streamId: Hash32): boolean {
    return !this.roles.some((role) => role.streamId === streamId);
  }

  newestOp(
    streamId: Hash32,
    group: ControlGroup,
    key: Uint8Array,
    account: Address,
  ): ControlOp | undefined {
    return this.roles.findLast(
      (role) =>
        role.streamId === streamId &&
        controlGroup(role.op) === group &&
        role.key === hex(key) &&
        role.account === account,
    )?.op;
  }

  isSpecialWriterOfAny(streamId: Hash32, account: Address): boolean {
    const keys = this.roles.filter((role) => role.streamId === streamId).map((role) => role.key);
    return keys.some(
      (key) =>
        this.newestOp(streamId, 0x30, Buffer.from(key, 'hex'), account) ===
        CONTROL.grantSpecialWriter,
    );
  }

  give(streamId: Hash32, op: ControlOp, account: Address = NO_ACCOUNT, key = ''): this {
    this.roles.push({ streamId, op, key, account });
    return this;
  }

  apply(seq: number, outcome: ReplayOutcome): void {
    if (outcome.kind !== 'commit') return;
    for (const { streamId, key } of outcome.writes) this.versions.set(streamId + hex(key), seq);
    for (const { op, streamId, key, account } of outcome.controls)
      this.roles.push({ streamId, op, key: hex(key), account });
  }
}
