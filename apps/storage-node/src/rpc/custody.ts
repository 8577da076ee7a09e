// Receipts, as a method of our own: 0G's nodes sign none.
import { isCodedError } from '@cairn/base';
import { type RpcMethod, serverError } from '@cairn/rpc';
import type { Custody } from '../custody/service.ts';
import { parseUint } from './params.ts';

/** `cairn_getReceipt(txSeq)`: a signed receipt, or null when the file is not finalized here or no part of it is kept here. */
export function custodyMethods(custody: Custody): Record<string, RpcMethod> {
  return {
    cairn_getReceipt: async ([txSeq]) => {
      try {
        return (await custody.receiptFor(parseUint(txSeq, 'tx_seq'))) ?? null;
      } catch (error) {
        if (isCodedError(error) && error.code.startsWith('CUSTODY_'))
          throw serverError(error.message);
        throw error;
      }
    },
  };
}
