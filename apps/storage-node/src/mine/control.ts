import type { Hash32 } from '@cairn/base';
import type { SectorRange } from '@cairn/store';
import type { NodeDatabase } from '../store/node-database.ts';
import {
  MineService,
  type MineServiceDeps,
  type MineServiceOptions,
  type MineStatus,
} from './service.ts';
import { noteStaleSeals } from './stale-seals.ts';

/** Mining that can be stopped and started again; each start is a new service over the same files. */
export class MineControl {
  readonly #make: () => MineService;
  readonly #database: NodeDatabase;
  #service: MineService | undefined;
  /** Starts and stops, one after another. */
  #last: Promise<void> = Promise.resolve();

  constructor(deps: MineServiceDeps, options: MineServiceOptions) {
    this.#make = () => new MineService(deps, options);
    this.#database = deps.database;
  }

  start(): Promise<void> {
    return this.#then(async () => {
      if (this.#service) return;
      this.#service = this.#make();
      this.#service.start();
    });
  }

  stop(): Promise<void> {
    return this.#then(async () => {
      const service = this.#service;
      this.#service = undefined;
      await service?.stop();
    });
  }

  stored(load: number): void {
    this.#service?.stored(load);
  }

  async reverted(sector: number): Promise<void> {
    await this.#service?.reverted(sector);
  }

  /** The shard changed: the search goes on in the new one. */
  resharded(): void {
    this.#service?.resharded();
  }

  /** Forgets seals of data that goes, before it goes. */
  async unseal(ranges: readonly SectorRange[]): Promise<void> {
    if (this.#service?.isRunning) await this.#service.unseal(ranges);
    else noteStaleSeals(this.#database);
  }

  setStartPosition(position: number): void {
    this.#service?.setStartPosition(position);
  }

  get sealBacklog(): number {
    return this.#service?.sealBacklog ?? 0;
  }

  /** Null while stopped. */
  async status(): Promise<MineStatus | null> {
    return (await this.#service?.status()) ?? null;
  }

  withdraw(): Promise<Hash32> {
    return (this.#service ?? this.#make()).withdraw();
  }

  #then(run: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(run, run);
    return this.#last;
  }
}
