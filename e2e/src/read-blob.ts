import type { Hash32 } from '@cairn/base';
import { loadNodeKernels } from '@cairn/kernels/node';
import { blobKey, type Domain } from '@cairn/quorum';
import { MemberPool, type Retrieved, retrieveBlob } from '@cairn/sdk/da';
import type { DaNetwork } from './da-network.ts';

const { kernels } = await loadNodeKernels();

export async function entranceOf({ reader }: Pick<DaNetwork, 'reader'>): Promise<Domain> {
  return { chainId: (await reader.parameters()).chainId, contract: reader.contracts.entrance };
}

/** Key of a confirmed blob. */
export async function keyOf(network: DaNetwork, commitment: Hash32): Promise<Hash32> {
  return blobKey(await entranceOf(network), await network.headerOf(commitment));
}

/** Reads a confirmed blob from the members, without a disperser; from one of them alone when `only` names its endpoint. */
export async function readBlob(
  network: DaNetwork,
  commitment: Hash32,
  only?: string,
): Promise<Retrieved> {
  const { reader } = network;
  const header = await network.headerOf(commitment);
  const epoch = (await reader.epoch(header.epoch))!;
  const quorum = epoch.quorums[header.quorum]!;
  const asked = quorum.members.filter(({ endpoint }) => !only || endpoint === only);
  using members = new MemberPool();
  return await retrieveBlob(
    { members, kernels, entrance: await entranceOf(network) },
    { epoch, quorum: { ...quorum, members: asked } },
    header,
  );
}
