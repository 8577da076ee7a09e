import type { Address } from '@cairn/base';

/** Which flow on which chain. */
export type NetworkName = { chainId: number; flowAddress: Address };
