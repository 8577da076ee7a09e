// Encryption of the published SDK, in its own process:
//   node official-encryption.mjs put RPC KEY NODE,… KIND SECRET FILE     prints {root}
//   node official-encryption.mjs get RPC KEY NODE,… KIND SECRET ROOT OUT
// KIND aes256: SECRET is the key. KIND ecies: SECRET is the public key to put, the private key to get.
import { writeFileSync } from 'node:fs';
import {
  Downloader,
  getFlowContract,
  StorageNode,
  Uploader,
  ZgFile,
} from '@0gfoundation/0g-ts-sdk';
import { ethers } from 'ethers';

const [verb, rpcUrl, key, urls, kind, secret, target, output] = process.argv.slice(2);
const nodes = urls.split(',').map((url) => new StorageNode(url));
const log = console.log;
console.log = console.error; // the SDK chats on standard output
if (verb === 'put') {
  const signer = new ethers.Wallet(key, new ethers.JsonRpcProvider(rpcUrl));
  const { networkIdentity } = await nodes[0].getStatus();
  const file = await ZgFile.fromFilePath(target);
  const uploader = new Uploader(
    nodes,
    rpcUrl,
    getFlowContract(networkIdentity.flowAddress, signer),
  );
  const encryption =
    kind === 'aes256'
      ? { type: 'aes256', key: ethers.getBytes(secret) }
      : { type: 'ecies', recipientPubKey: secret };
  const [result, error] = await uploader.splitableUpload(file, { encryption });
  if (error) throw error;
  log(JSON.stringify({ root: result.rootHashes[0] }));
} else {
  const downloader = new Downloader(nodes);
  if (kind === 'aes256') downloader.withSymmetricKey(secret);
  else downloader.withPrivateKey(secret);
  const [blob, error] = await downloader.downloadToBlob(target, true);
  if (error) throw error;
  writeFileSync(output, new Uint8Array(await blob.arrayBuffer()));
  log('{}');
}
process.exit(0);
