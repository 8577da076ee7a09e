// Interpolation as a matrix: for few rows it is faster than a transform. O(nodes^2 + nodes * targets) field operations.
import { fieldTables, type GaloisBasis, type GaloisField } from '@cairn/kernels';

/** log of the product of (point - node) over nodes other than the point. */
function logProduct(log: Uint16Array, nodes: readonly number[], point: number): number {
  let sum = 0;
  for (const node of nodes) if (node !== point) sum += log[node ^ point]!;
  return sum;
}

/**
 * Matrix that turns values at the first `valueCount` nodes (those at the others are zero) into values at `targets`, for
 * polynomials of degree below the number of nodes: `targets.length * valueCount` constants, row by row. Targets are no nodes.
 */
export function interpolationMatrix(
  { field, basis }: { field: GaloisField; basis: GaloisBasis },
  nodes: readonly number[],
  valueCount: number,
  targets: readonly number[],
): Uint16Array {
  const { log, exp, modulus } = fieldTables(field, basis);
  const denominators = nodes.slice(0, valueCount).map((node) => logProduct(log, nodes, node));
  const out = new Uint16Array(targets.length * valueCount);
  for (const [i, target] of targets.entries()) {
    const product = logProduct(log, nodes, target);
    for (let j = 0; j < valueCount; j++) {
      const exponent = product - log[nodes[j]! ^ target]! - denominators[j]!;
      out[i * valueCount + j] = exp[((exponent % modulus) + modulus) % modulus]!;
    }
  }
  return out;
}
