import { readFileSync } from 'node:fs';
import { CodedError, errorMessage, redactUrl } from '@cairn/base';
import { z } from 'zod';
import { SHARED_VARIABLES } from './kernels.ts';

export type ConfigSource = 'flag' | 'environment' | 'file' | 'default';
export type ConfigEntry = {
  key: string;
  value: unknown;
  source: ConfigSource;
  description: string;
};
export type LoadedConfig<T> = {
  config: T;
  /** Every effective value with where it came from; what `--print-config` shows. */
  entries: ConfigEntry[];
  /** True when `--print-config` or `--help` was given. */
  wants: 'run' | 'print-config' | 'help';
};
export type LoadConfigOptions<S extends z.ZodObject> = {
  schema: S;
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** `CAIRN_NODE` reads `CAIRN_NODE_RPC_PORT` for `rpcPort`. */
  envPrefix: string;
};

const kebab = (key: string): string => key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
const camel = (key: string): string =>
  key.replace(/-([a-z0-9])/g, (_, c: string) => c.toUpperCase());
const snake = (key: string): string => key.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase();

/**
 * Flags, then environment, then the JSON file named by `--config`, then defaults. Flags are `--key value`, `--key=value`
 * or `--key` and `--no-key` for booleans. Throws `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`, `CONFIG_FLAG`.
 */
export function loadConfig<S extends z.ZodObject>(
  options: LoadConfigOptions<S>,
): LoadedConfig<z.output<S>> {
  const shape = options.schema.shape as Record<string, z.ZodType>;
  const keys = Object.keys(shape);
  const { flags, file, wants } = parseFlags(options.argv, shape);
  const fromFile = file === undefined ? {} : readFile(file);
  const raw: Record<string, unknown> = {};
  const sources: Record<string, ConfigSource> = {};
  for (const key of Object.keys(fromFile))
    if (!keys.includes(key)) throw unknownKey(key, keys, `in ${file}`);
  for (const name of Object.keys(options.env)) {
    if (!name.startsWith(`${options.envPrefix}_`)) continue;
    if (!keys.some((key) => `${options.envPrefix}_${snake(key)}` === name)) {
      throw unknownKey(
        name,
        keys.map((key) => `${options.envPrefix}_${snake(key)}`),
        'in the environment',
      );
    }
  }
  for (const key of keys) {
    const shared = SHARED_VARIABLES[key];
    const variable =
      options.env[`${options.envPrefix}_${snake(key)}`] ?? (shared && options.env[shared]);
    if (key in flags) [raw[key], sources[key]] = [flags[key], 'flag'];
    else if (variable !== undefined)
      [raw[key], sources[key]] = [coerce(variable, shape[key]!), 'environment'];
    else if (key in fromFile) [raw[key], sources[key]] = [fromFile[key], 'file'];
    else sources[key] = 'default';
  }
  if (wants === 'help')
    return { config: {} as z.output<S>, entries: describe(shape, raw, sources), wants };
  const parsed = options.schema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const key = String(issue.path[0] ?? '');
    throw new CodedError({
      code: 'CONFIG_INVALID',
      kind: 'invalid',
      message:
        raw[key] === undefined
          ? `setting --${kebab(key)} is missing`
          : `setting --${kebab(key)}: ${issue.message}`,
      hint: `it can be given as --${kebab(key)}, ${options.envPrefix}_${snake(key)}, or "${key}" in the file of --config`,
      details: {
        issues: parsed.error.issues.map((i) => ({ path: i.path.join('.'), message: i.message })),
      },
    });
  }
  const config = parsed.data as Record<string, unknown>;
  return { config: parsed.data, entries: describe(shape, config, sources), wants };
}

/** A value as it may be shown: secrets hide themselves, URLs lose their keys. */
function shown(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'string' ? redactUrl(inner) : inner,
  );
  return text ?? '';
}

/** The table of `--print-config` and `--help`. */
export function formatConfig(entries: readonly ConfigEntry[]): string {
  return entries
    .map(
      ({ key, value, source, description }) =>
        `--${kebab(key).padEnd(24)} ${shown(value).padEnd(28)} ${source.padEnd(11)} ${description}`,
    )
    .join('\n');
}

function describe(
  shape: Record<string, z.ZodType>,
  values: Record<string, unknown>,
  sources: Record<string, ConfigSource>,
): ConfigEntry[] {
  return Object.keys(shape).map((key) => ({
    key,
    value: values[key],
    source: sources[key] ?? 'default',
    description: shape[key]!.description ?? '',
  }));
}

function parseFlags(
  argv: readonly string[],
  shape: Record<string, z.ZodType>,
): {
  flags: Record<string, unknown>;
  file: string | undefined;
  wants: LoadedConfig<unknown>['wants'];
} {
  const flags: Record<string, unknown> = {};
  let file: string | undefined;
  let wants: LoadedConfig<unknown>['wants'] = 'run';
  for (let i = 0; i < argv.length; i++) {
    const token = argv[i]!;
    if (!token.startsWith('--'))
      throw new CodedError({
        code: 'CONFIG_FLAG',
        kind: 'invalid',
        message: `unexpected argument ${token}`,
      });
    const [name, inline] = token.slice(2).split(/=(.*)/s) as [string, string | undefined];
    if (name === 'help' || name === 'print-config') {
      wants = name;
      continue;
    }
    const value = (): string => {
      // A value that begins with two dashes is given as --name=value; otherwise it is the next flag, and one is missing.
      const next = inline ?? (argv[i + 1]?.startsWith('--') ? undefined : argv[++i]);
      if (next === undefined)
        throw new CodedError({
          code: 'CONFIG_FLAG',
          kind: 'invalid',
          message: `--${name} needs a value`,
        });
      return next;
    };
    if (name === 'config') {
      file = value();
      continue;
    }
    const negated = name.startsWith('no-') && camel(name.slice(3)) in shape;
    const key = camel(negated ? name.slice(3) : name);
    const type = shape[key];
    if (!type)
      throw unknownKey(
        `--${name}`,
        Object.keys(shape).map((k) => `--${kebab(k)}`),
        'on the command line',
      );
    if (isBoolean(type)) {
      if (negated && inline !== undefined)
        throw new CodedError({
          code: 'CONFIG_FLAG',
          kind: 'invalid',
          message: `--${name} takes no value`,
          hint: `give --${kebab(key)} or --no-${kebab(key)}`,
        });
      flags[key] = negated ? false : inline === undefined ? true : coerce(inline, type);
    } else flags[key] = coerce(value(), type);
  }
  return { flags, file, wants };
}

function readFile(path: string): Record<string, unknown> {
  const failed = (reason: string, hint: string, cause?: unknown): CodedError =>
    new CodedError({
      code: 'CONFIG_FILE',
      kind: 'invalid',
      message: `cannot read the settings file ${path}: ${reason}`,
      hint,
      cause,
    });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw failed(errorMessage(error), 'check the name given with --config', error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw failed(errorMessage(error), 'it must be a JSON object', error);
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(json);
  if (!parsed.success) throw failed('not an object', 'it must be a JSON object of settings');
  return parsed.data;
}

/** Innermost type below default, optional and transforms. */
function inner(type: z.ZodType): z.ZodType {
  if (
    type instanceof z.ZodDefault ||
    type instanceof z.ZodOptional ||
    type instanceof z.ZodNullable
  )
    return inner(type.unwrap() as z.ZodType);
  if (type instanceof z.ZodPipe) return inner(type.in as z.ZodType);
  return type;
}

const isBoolean = (type: z.ZodType): boolean => inner(type) instanceof z.ZodBoolean;

/** Text from a flag or variable in the type that the schema wants. */
function coerce(text: string, type: z.ZodType): unknown {
  const target = inner(type);
  if (target instanceof z.ZodNumber) return text.trim() === '' ? text : Number(text);
  if (target instanceof z.ZodBoolean)
    return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
  if (target instanceof z.ZodArray) return text === '' ? [] : text.split(',');
  return text;
}

function unknownKey(key: string, known: readonly string[], where: string): CodedError {
  const near = nearestName(key, known);
  return new CodedError({
    code: 'CONFIG_UNKNOWN_KEY',
    kind: 'invalid',
    message: `unknown setting ${key} ${where}`,
    ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
    details: { key },
  });
}

/** The known name at the smallest edit distance, when it is near enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        row[j]! + 1,
        next[j - 1]! + 1,
        row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length]!;
}
