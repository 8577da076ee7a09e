/*
 * The rules of spec/kv.md as a list of facts and searches through it: slow, short, and sharing no code with `@cairn/kv`.
 * Replay and storage are compared with it on random histories.
 */
export type ModelControl = { op: number; stream: string; key: string; account: string };
export type ModelBatch = {
  seq: number;
  sender: string;
  tags: string[];
  version: number;
  reads: { stream: string; key: string }[];
  writes: { stream: string; key: string; value: string }[];
  controls: ModelControl[];
  /** The bytes end before this list does. */
  cut?: 'reads' | 'writes' | 'controls' | undefined;
};

const NOBODY = `0x${'00'.repeat(20)}`;
const NAMES: Record<number, string> = {
  0: 'GRANT_ADMIN_ROLE',
  16: 'SET_KEY_TO_SPECIAL',
  17: 'SET_KEY_TO_NORMAL',
  32: 'GRANT_WRITER_ROLE',
  33: 'REVOKE_WRITER_ROLE',
  48: 'GRANT_SPECIAL_WRITER_ROLE',
  49: 'REVOKE_SPECIAL_WRITER_ROLE',
};
const MALFORMED = 'DataParseError: Invalid stream data';

export class KvModel {
  readonly watched: ReadonlySet<string>;
  readonly values: { seq: number; stream: string; key: string; value: string }[] = [];
  readonly controls: (ModelControl & { seq: number })[] = [];
  readonly results = new Map<number, string>();

  constructor(watched: Iterable<string>) {
    this.watched = new Set(watched);
  }

  replay(batch: ModelBatch): void {
    if (batch.tags.length === 0 || !batch.tags.every((stream) => this.watched.has(stream))) return;
    this.results.set(batch.seq, this.#decide(batch));
  }

  get(stream: string, key: string, version: number): { seq: number; value: string } | undefined {
    return this.values.findLast((v) => v.stream === stream && v.key === key && v.seq <= version);
  }

  /** Keys with a value, in order (keys are hex: text order is byte order). */
  keys(stream: string, version: number): string[] {
    const all = new Set(this.values.filter((v) => v.stream === stream).map((v) => v.key));
    return [...all].filter((key) => this.get(stream, key, version)?.value).sort();
  }

  has(group: number, stream: string, key: string, account: string, version: number): boolean {
    const last = this.controls.findLast(
      (c) =>
        (c.op & 0xf0) === group &&
        c.stream === stream &&
        c.key === key &&
        c.account === account &&
        c.seq <= version,
    );
    return last !== undefined && (last.op & 0x0f) === 0;
  }

  isNew(stream: string, version: number): boolean {
    return !this.controls.some((c) => c.stream === stream && c.seq <= version);
  }

  mayWrite(account: string, stream: string, key: string, version: number): boolean {
    if (this.isNew(stream, version) || this.has(0x00, stream, '', account, version)) return true;
    if (this.has(0x10, stream, key, NOBODY, version))
      return this.has(0x30, stream, key, account, version);
    return this.has(0x20, stream, '', account, version);
  }

  #decide({ seq, sender, tags, version, reads, writes, controls, cut }: ModelBatch): string {
    const now = Number.POSITIVE_INFINITY;
    const keys = [...new Set(this.controls.map((c) => c.key))];
    const canWrite = (stream: string): boolean =>
      this.mayWrite(sender, stream, '', now) ||
      keys.some((key) => this.has(0x30, stream, key, sender, now));
    if (!tags.some(canWrite)) return 'SenderNoWritePermission';
    const conflicts = (stream: string, key: string): boolean =>
      (this.get(stream, key, now)?.seq ?? 0) > version;
    if (cut === 'reads') return MALFORMED;
    for (const { stream, key } of reads) {
      if (!this.watched.has(stream)) return 'TagsMismatch';
      if (conflicts(stream, key)) return 'VersionConfliction';
    }
    if (cut === 'writes') return MALFORMED;
    const lastWrites = new Map(writes.map((write) => [write.stream + write.key, write]));
    for (const { stream, key } of lastWrites.values()) {
      if (!tags.includes(stream)) return 'TagsMismatch';
      if (conflicts(stream, key)) return 'VersionConfliction';
      if (!this.mayWrite(sender, stream, key, now))
        return `WritePermissionDenied: stream: ${stream}, key: ${textOf(key)}`;
    }
    if (cut === 'controls') return MALFORMED;
    const wasNew = new Set(tags.filter((stream) => this.isNew(stream, now)));
    const isAdmin = (stream: string): boolean =>
      wasNew.has(stream) || this.has(0x00, stream, '', sender, now);
    const effective = new Map<string, ModelControl>();
    const nameOf = (c: ModelControl): string => [c.op & 0xf0, c.stream, c.key, c.account].join();
    for (const stream of wasNew) {
      const control = { op: 0, stream, key: '', account: sender };
      effective.set(nameOf(control), control);
    }
    for (const control of controls) {
      const isIgnored = control.account === sender || effective.has(nameOf(control));
      if (control.op !== 0 || !isIgnored) effective.set(nameOf(control), control);
    }
    for (const { op, stream, key, account } of effective.values()) {
      if (!tags.includes(stream)) return 'TagsMismatch';
      const isAllowed =
        isAdmin(stream) ||
        [0x01, 0x22, 0x32].includes(op) ||
        (op === 0x20 && this.has(0x20, stream, '', sender, now)) ||
        (op === 0x30 && this.has(0x30, stream, key, sender, now));
      if (!isAllowed)
        return `AccessControlPermissionDenied: operation: ${NAMES[op]}, stream: ${stream}, key: ${key === '' ? 'NONE' : textOf(key)}, account: ${account}`;
    }
    for (const write of lastWrites.values()) this.values.push({ seq, ...write });
    for (const control of effective.values()) this.controls.push({ seq, ...control });
    return 'Commit';
  }
}

/** Keys of the histories are short ASCII, except those that are no UTF-8. */
function textOf(key: string): string {
  const text = Buffer.from(key, 'hex').toString('utf8');
  return text.includes('\ufffd') ? 'UNKNOWN' : text;
}
