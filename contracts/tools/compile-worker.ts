// One thread of tools/build.ts: takes a contract with its sources, gives its ABI and bytecode.
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';

export type CompileTask = {
  contract: string;
  file: string;
  sources: Record<string, { content: string }>;
};
export type CompileResult = {
  contract: string;
  compiler: string;
  abi: unknown[];
  bytecode: `0x${string}`;
};
type Output = {
  errors?: { severity: string; formattedMessage: string }[];
  contracts: Record<
    string,
    Record<string, { abi: unknown[]; evm: { bytecode: { object: string } } }>
  >;
};

const solc = createRequire(import.meta.url)('solc') as {
  compile(input: string): string;
  version(): string;
};

parentPort?.on('message', ({ contract, file, sources }: CompileTask) => {
  const input = {
    language: 'Solidity',
    sources,
    settings: {
      evmVersion: 'prague',
      viaIR: true,
      optimizer: { enabled: true, runs: 10_000 },
      outputSelection: { [file]: { [contract]: ['abi', 'evm.bytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as Output;
  const errors = output.errors?.filter((error) => error.severity === 'error') ?? [];
  if (errors.length > 0) {
    parentPort?.postMessage({ errors: errors.map((error) => error.formattedMessage) });
    return;
  }
  const { abi, evm } = output.contracts[file]![contract]!;
  const result: CompileResult = {
    contract,
    compiler: solc.version(),
    abi,
    bytecode: `0x${evm.bytecode.object}`,
  };
  parentPort?.postMessage(result);
});
