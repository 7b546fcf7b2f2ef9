import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { configureUmask } from '../machine/umask.ts';
import { messageOf } from '../model/errors.ts';
import { DEFAULT_LIMITS, type Limits, NO_POLICY, type Policy } from '../model/policy.ts';
import { build } from './build.ts';
import { locator } from './locate.ts';
import { configureNetwork } from './network.ts';
import { readText, type Text } from './read.ts';
import { LIMITS } from './schema.ts';

/** What is wrong, and where: of a variable of the environment and of a missing file no place can be told. */
export interface Complaint {
  readonly line: number | null;
  readonly column: number | null;
  /** The dotted key, or the variable of the environment; null = the whole file. */
  readonly key: string | null;
  readonly says: string;
}

export interface Loaded {
  readonly policy: Policy;
  readonly exists: boolean;
  /** The same as `policy.broken`, in parts. */
  readonly complaints: readonly Complaint[];
}

/** Limits that a variable of the environment overrides: `MC_PICKUP_` and the key in capitals. */
export const OVERRIDES = ['max_agents', 'max_launches_per_tick', 'ttl_minutes', 'max_attempts'] as const;

/** Reads the configuration. Never throws: whatever is wrong is in `policy.broken`, and then nothing of the file is
 *  used, so that no half-understood rule launches an agent. */
export function loadPolicy(file: string, env: NodeJS.ProcessEnv, read: Text = readText(file)): Loaded {
  const complaints: Complaint[] = [];
  const over = overrides(env, complaints);
  const policy = read.missing
    ? complain(complaints, `no configuration at ${file}: run mc-pickup init`, { line: null, column: null })
    : policyOf(read, { file, env, complaints });
  configureUmask(policy?.umask ?? null);
  if (policy !== null && complaints.length === 0)
    return { policy: { ...policy, limits: { ...policy.limits, ...over } }, exists: true, complaints };
  const broken = complaints.map((one) => complaintLine(file, one));
  const limits = { ...DEFAULT_LIMITS, ...over };
  return { policy: { ...NO_POLICY, limits, broken }, exists: !read.missing, complaints };
}

/** null = of all of it nothing can be said but one complaint. */
function policyOf(
  { error, text }: Text,
  o: { readonly file: string; readonly env: NodeJS.ProcessEnv; readonly complaints: Complaint[] },
): Policy | null {
  if (error !== null) return complain(o.complaints, error);
  // Made when the first complaint needs it: most ticks have none.
  let placeOf: ReturnType<typeof locator> | undefined;
  try {
    const raw = parse(text, { maxDepth: 50 });
    configureNetwork(raw.network, dirname(o.file), o.env);
    return build(raw, {
      ...{ dir: dirname(o.file), home: o.env.HOME || homedir() },
      complain: (path, says) => {
        placeOf ??= locator(text);
        o.complaints.push({ ...placeOf(path), key: path.join('.'), says });
      },
    });
  } catch (fault) {
    if (!(fault instanceof TomlError)) return complain(o.complaints, messageOf(fault));
    const why = fault.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
    return complain(o.complaints, `not valid TOML: ${why}`, fault);
  }
}

/** Of the whole file. */
function complain(
  complaints: Complaint[],
  says: string,
  { line, column }: Pick<Complaint, 'line' | 'column'> = { line: 1, column: 1 },
): null {
  complaints.push({ line, column, key: null, says });
  return null;
}

/** `file:line:column: key: what`, which editors and terminals find their way by. */
export function complaintLine(file: string, { line, column, key, says }: Complaint): string {
  if (line !== null) return `${file}:${line}:${column}: ${key === null ? '' : `${key}: `}${says}`;
  return key === null ? says : `environment: ${key}: ${says}`;
}

function overrides(env: NodeJS.ProcessEnv, complaints: Complaint[]): Partial<Limits> {
  const found: Record<string, number> = {};
  for (const key of OVERRIDES) {
    const name = `MC_PICKUP_${key.toUpperCase()}`;
    const value = env[name]?.trim() ?? '';
    if (value === '') continue;
    const result = v.safeParse(LIMITS.entries[key], /^\d+(\.\d+)?$/.test(value) ? Number(value) : value);
    if (result.success) found[key] = Number(value);
    else complaints.push({ line: null, column: null, key: name, says: result.issues[0].message });
  }
  return found;
}
