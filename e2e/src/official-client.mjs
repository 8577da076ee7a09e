// Runs one published 0G SDK as its users do, in its own process: node official-client.mjs PACKAGE INDEXER RPC KEY IN OUT
import { createRequire } from 'node:module';
import { ethers } from 'ethers';

const [name, indexerUrl, rpcUrl, key, input, output] = process.argv.slice(2);
const { Indexer, ZgFile } = createRequire(import.meta.url)(name);
const signer = new ethers.Wallet(key, new ethers.JsonRpcProvider(rpcUrl));
const indexer = new Indexer(indexerUrl);
const file = await ZgFile.fromFilePath(input);
const [tree, treeError] = await file.merkleTree();
if (treeError) throw treeError;
const log = console.log;
console.log = console.error; // the SDKs chat on standard output
const [result, uploadError] = await indexer.upload(file, rpcUrl, signer);
if (uploadError) throw uploadError;
await file.close();
const downloadError = await indexer.download(tree.rootHash(), output, true);
if (downloadError) throw downloadError;
const proof = tree.proofAt(0);
log(
  JSON.stringify({
    root: tree.rootHash(),
    tx: typeof result === 'string' ? result : (result.txHash ?? null),
    lemma: proof.lemma,
    path: proof.path,
  }),
);
process.exit(0);
