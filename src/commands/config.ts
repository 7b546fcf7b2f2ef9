import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkConfiguration, summary } from '../config/check.ts';
import { schemaFile } from '../config/editors.ts';
import { complaintLine } from '../config/load.ts';
import { readText, type Text } from '../config/read.ts';
import { asToml, inForce } from '../config/show.ts';
import { warningsOf } from '../config/warnings.ts';
import type { Context } from '../context.ts';
import { configError, EXIT, type ExitCode, messageOf, usageError } from '../model/errors.ts';
import { brokenLine } from '../model/policy.ts';
import { many, oneLine } from '../model/text.ts';

/** The global options as they were typed, to tell where a path comes from. */
export interface Given {
  readonly config?: string;
  readonly stateDir?: string;
}

type From = 'option' | 'environment' | 'xdg' | 'default';

/** Which configuration, which state dir, and why those. */
export async function configPath(context: Context, given: Given): Promise<ExitCode> {
  const { places, env, out } = context;
  const from = (option: string | undefined, own: string | undefined, xdg: string | undefined): From =>
    option ? 'option' : own ? 'environment' : xdg ? 'xdg' : 'default';
  const facts = {
    config: places.config,
    config_from: from(given.config, env.MC_PICKUP_CONFIG, env.XDG_CONFIG_HOME),
    config_exists: existsSync(places.config),
    state_dir: places.state,
    state_dir_from: from(given.stateDir, env.MC_PICKUP_STATE_DIR, env.XDG_STATE_HOME),
    state_dir_exists: existsSync(places.state),
    schema: schemaFile(),
  };
  if (context.json) {
    out.json(facts);
    return EXIT.ok;
  }
  const words = (came: From, option: string, own: string, xdg: string): string =>
    ({ option, environment: own, xdg, default: 'the default' })[came];
  const there = (yes: boolean): string => (yes ? '' : '; not there yet: mc-pickup init');
  const config = words(facts.config_from, '--config', 'MC_PICKUP_CONFIG', 'XDG_CONFIG_HOME');
  const state = words(facts.state_dir_from, '--state-dir', 'MC_PICKUP_STATE_DIR', 'XDG_STATE_HOME');
  out.line(`configuration  ${facts.config}  (${config}${there(facts.config_exists)})`);
  out.line(`state dir      ${facts.state_dir}  (${state}${there(facts.state_dir_exists)})`);
  if (facts.schema !== null) out.line(`schema         ${facts.schema}  (for editors)`);
  return EXIT.ok;
}

const MAX_BYTES = 1024 * 1024;

/** Every complaint about the configuration, about another file, or about what stands on stdin (`-`). */
export async function configCheck(context: Context, other: string | undefined): Promise<ExitCode> {
  const { places, env, out } = context;
  const piped = other === '-';
  const file = other === undefined || piped ? places.config : resolve(other);
  const read = piped ? stdin() : readText(file);
  const { policy, complaints: own } = checkConfiguration(file, env, read);
  const { repositoryComplaints } = await import('../config/repositories.ts');
  const complaints = own.length > 0 ? own : await repositoryComplaints(policy, read.text);
  const label = piped ? 'stdin' : (other ?? file);
  const ok = complaints.length === 0;
  const warnings = ok ? warningsOf(policy, read.text, env) : [];
  if (context.json) out.json({ file: piped ? '-' : file, ok, complaints, warnings });
  else if (ok) out.line(`fine: ${summary(policy)}`);
  else {
    for (const one of complaints) out.line(complaintLine(label, one));
    // Said even to --quiet: an exit code alone would leave a person guessing.
    out.warn(`${many(complaints.length, 'mistake')} in ${oneLine(label, 300)}`);
  }
  if (!context.json) for (const one of warnings) out.warn(`warning: ${complaintLine(label, one)}`);
  return ok ? EXIT.ok : EXIT.config;
}

function stdin(): Text {
  try {
    const text = readFileSync(0, 'utf8').replace(/^\uFEFF/, '');
    const error = Buffer.byteLength(text) > MAX_BYTES ? 'is larger than 1 MiB' : null;
    return { missing: false, error, text: error === null ? text : '' };
  } catch (error) {
    const why = messageOf(error);
    throw usageError(`standard input can't be read (${why}): pipe a configuration into it`);
  }
}

/** What is in force, and where each value comes from. Needs a sound configuration: of a broken one nothing is. */
export async function configShow(context: Context, o: { readonly defaults?: boolean }): Promise<ExitCode> {
  const { places, env, out } = context;
  const read = readText(places.config);
  const { policy, complaints } = checkConfiguration(places.config, env, read);
  if (complaints.length > 0)
    throw configError(
      `nothing of the configuration is in force: ${brokenLine({ ...policy, broken: complaints.map((one) => complaintLine(places.config, one)) })}; see mc-pickup config check`,
    );
  const all = o.defaults === true;
  const sections = inForce(policy, { file: places.config, text: read.text, env });
  if (context.json) {
    const settings = sections.flatMap((one) => one.settings).filter(({ from }) => all || from !== 'default');
    out.json({
      file: places.config,
      settings: settings.map(({ path, value, from, line, variable }) => ({
        ...{ key: path, value, from, line, variable },
      })),
    });
    return EXIT.ok;
  }
  out.line(`# In force: ${places.config}${all ? ' and the defaults' : ''}`);
  for (const line of asToml(sections, all)) out.line(line);
  return EXIT.ok;
}
