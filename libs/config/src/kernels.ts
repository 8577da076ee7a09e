import { CodedError } from '@cairn/base';
import { z } from 'zod';

/** Implementations of hashing and arithmetic; `auto` takes the fastest that is there. */
export const KERNEL_CHOICES = ['auto', 'native', 'wasm', 'reference'] as const;
export type KernelChoice = (typeof KERNEL_CHOICES)[number];

/** Variables that every program of ours reads, under the setting that they fill. A program's own variable goes first. */
export const SHARED_VARIABLES: Readonly<Record<string, string>> = { kernels: 'CAIRN_KERNELS' };

/** The `kernels` setting of an app: flag, the app's own variable, then `CAIRN_KERNELS`. */
export const kernelsSetting: z.ZodDefault<z.ZodEnum<{ [K in KernelChoice]: K }>> = z
  .enum(KERNEL_CHOICES)
  .default('auto')
  .describe('implementation of hashing and arithmetic; CAIRN_KERNELS sets it for all programs');

/** `CAIRN_KERNELS` for programs without settings of their own. Throws `CONFIG_INVALID`. */
export function kernelsFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): KernelChoice {
  const parsed = kernelsSetting.safeParse(env[SHARED_VARIABLES.kernels!]);
  if (parsed.success) return parsed.data;
  throw new CodedError({
    code: 'CONFIG_INVALID',
    kind: 'invalid',
    message: `CAIRN_KERNELS: expected one of ${KERNEL_CHOICES.join(', ')}`,
    details: { given: env[SHARED_VARIABLES.kernels!] },
  });
}
