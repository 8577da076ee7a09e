import type { BlockRef, LogSink, Submission } from '../src/index.ts';

/** A sink that remembers everything; what a node does on disk. */
export class MemorySink implements LogSink {
  submissions: Submission[] = [];
  blocks: BlockRef[] = [];
  reverts = 0;

  progress(): BlockRef | undefined {
    return this.blocks.at(-1);
  }

  previousBlock(number: number): BlockRef | undefined {
    return this.blocks.findLast((block) => block.number < number);
  }

  nextSeq(): number {
    return this.submissions.length;
  }

  async apply(batch: { submissions: Submission[]; blocks: BlockRef[] }): Promise<void> {
    this.submissions.push(...batch.submissions);
    this.blocks.push(...batch.blocks);
  }

  async revert(block: BlockRef | undefined): Promise<void> {
    this.reverts++;
    const last = block?.number ?? -1;
    this.blocks = this.blocks.filter(({ number }) => number <= last);
    this.submissions = this.submissions.filter(({ blockNumber }) => blockNumber <= last);
  }
}
