import { hexToBytes, parseAddress } from '@cairn/base';
import { createRollupVerifier, refuseCall } from '@cairn/chain/da';
import { EXIT_CODES } from '@cairn/protocol';
import { usage } from '../../args.ts';
import { openPayment } from '../../da-context.ts';
import { printResult } from '../../output.ts';
import type { DaAction } from './action.ts';

/** Ends the wait for a rollup's certificate that names a block far ahead (docs/adr/0015). */
export const refuse: DaAction = {
  usage: 'refuse CERTIFICATE [--rollup-verifier-address ADDRESS]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const [text = ''] = args;
    if (!/^0x([0-9a-fA-F]{2})+$/.test(text)) throw usage('a certificate is 0x and hex');
    const given =
      (flags['rollup-verifier-address'] as string | undefined) ??
      session.devnet?.contracts.nitroValidator;
    if (given === undefined)
      throw usage('no verifier is known here', 'give --rollup-verifier-address ADDRESS');
    const address = parseAddress(given, '--rollup-verifier-address');
    const certificate = hexToBytes(text);
    await using payment = await openPayment(session, 0, undefined);
    await payment.sender.send(refuseCall(address, certificate), { signal });
    const verifier = createRollupVerifier({ rpcUrl: session.rpcUrl, address });
    const verdict = await verifier.checkCertificate(certificate);
    printResult(global.json, { verdict, verifier: address }, [
      `refused for good (checkCertificate of ${address} answers ${verdict})`,
    ]);
    return EXIT_CODES.ok;
  },
};
