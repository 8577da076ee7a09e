// The published SDK's key-value client as its users use it: node official-kv.mjs KV_URL STORAGE_URL RPC KEY STREAM
import { Batcher, getFlowContract, KvClient, StorageNode } from '@0gfoundation/0g-ts-sdk';
import { ethers } from 'ethers';

const [kvUrl, storageUrl, rpcUrl, key, stream] = process.argv.slice(2);
const log = console.log;
console.log = console.error; // the SDK chats on standard output
const bytes = (text) => Uint8Array.from(Buffer.from(text));
const text = (base64) => Buffer.from(base64, 'base64').toString();
const signer = new ethers.Wallet(key, new ethers.JsonRpcProvider(rpcUrl));
const storage = new StorageNode(storageUrl);
const { networkIdentity } = await storage.getStatus();
const flow = getFlowContract(networkIdentity.flowAddress, signer);
const kv = new KvClient(kvUrl);

async function write(entries) {
  const batcher = new Batcher(Number.MAX_SAFE_INTEGER, [storage], flow, rpcUrl);
  for (const [name, value] of Object.entries(entries))
    batcher.streamDataBuilder.set(stream, bytes(name), bytes(value));
  const [result, error] = await batcher.exec({
    tags: '0x',
    finalityRequired: true,
    taskSize: 10,
    expectedReplica: 1,
    skipTx: false,
    skipIfFinalized: false,
    fee: 0n,
  });
  if (error) throw error;
  for (;;) {
    const outcome = await kv.getTransactionResult(result.txSeq);
    if (outcome) return { seq: result.txSeq, outcome };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const first = await write({ a: 'one', b: 'two', c: 'three', d: 'vier' });
const second = await write({ b: 'zwei', c: '', large: 'x'.repeat(262_144) });
const found = await Promise.all(['a', 'b', 'c'].map((name) => kv.getValue(stream, bytes(name))));

async function walk(start, step) {
  const iterator = kv.newIterator(stream);
  const names = [];
  await iterator[start]();
  while (iterator.valid()) {
    names.push(Buffer.from(iterator.getCurrentPair().key).toString());
    await iterator[step]();
  }
  return names;
}
async function seek(method, name) {
  const iterator = kv.newIterator(stream);
  await iterator[method](bytes(name));
  return Buffer.from(iterator.getCurrentPair().key).toString();
}

log(
  JSON.stringify({
    values: found.map(({ data }) => text(data)),
    sizes: found.map(({ size }) => size),
    result: second.outcome,
    old: text((await kv.getValue(stream, bytes('b'), Number(first.seq))).data),
    forward: await walk('seekToFirst', 'next'),
    backward: await walk('seekToLast', 'prev'),
    seekAfterDeleted: await seek('seekAfter', 'c'),
    seekBeforeDeleted: await seek('seekBefore', 'c'),
    nextWithValue: text((await kv.getNextWithValue(stream, bytes('a'), false)).data),
    large: Buffer.from((await kv.getValue(stream, bytes('large'))).data, 'base64').length,
    holding: (await kv.getHoldingStreamIds()).includes(stream),
    isAdmin: await kv.isAdmin(signer.address, stream),
    strangerIsAdmin: await kv.isAdmin(ethers.ZeroAddress, stream),
    hasWritePermission: await kv.hasWritePermission(signer.address, stream, bytes('a')),
    isSpecialKey: await kv.isSpecialKey(stream, bytes('a')),
    isWriterOfKey: await kv.isWriterOfKey(signer.address, stream, bytes('a')),
    isWriterOfStream: await kv.isWriterOfStream(signer.address, stream),
  }),
);
process.exit(0);
