import { withBoard, withReader } from '../board/open.ts';
import type { UsageRow } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { byNow, type Context } from '../context.ts';
import { readHolds, tryAtOnce } from '../machine/holds.ts';
import { findProgram } from '../machine/programs.ts';
import { dayOf } from '../model/day.ts';
import { configError, EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { agentScope } from '../model/hold.ts';
import { brokenLine } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';

/** The profiles: which program each starts, whether it is ready, limited, and what it has used today. */
export async function agents(context: Context): Promise<ExitCode> {
  const { policy } = loadPolicy(context.places.config, context.env);
  if (policy.broken.length > 0) throw configError(`no profile can be shown: ${brokenLine(policy)}`);
  return withReader(context, async (board) => {
    const known = new Map((await board.accounts()).map((one) => [one.name, one]));
    const { holds } = readHolds(context.places);
    const today = await board.usage({ since_day: dayOf(Date.now()) });
    const rows = [...policy.agents.values()].map((profile) => {
      const account = known.get(profile.name);
      const until = account?.not_before_at_ms ?? null;
      const [word = profile.kind] = profile.argv;
      return {
        ...{ name: profile.name, kind: profile.kind, mode: profile.mode, fallback: profile.fallback },
        program: findProgram(word, profile.env.PATH ?? context.env.PATH),
        supported: true,
        not_ready: account?.not_ready ?? null,
        limited_until_ms: until !== null && until > Date.now() ? until : null,
        held_by: holds.find(({ scope }) => scope === agentScope(profile.name))?.says ?? null,
        today: sum(today.filter(({ agent }) => agent === profile.name)),
      };
    });
    if (context.json) {
      context.out.json(rows);
      return EXIT.ok;
    }
    if (rows.length === 0) context.out.line('no agent profile is configured: see mc-pickup init');
    for (const one of rows) {
      const state =
        one.not_ready !== null
          ? `NOT READY: ${oneLine(one.not_ready, 200)} (then: mc-pickup agents ready ${one.name})`
          : one.program === null
            ? 'its program was not found'
            : one.limited_until_ms !== null
              ? `limited until ${new Date(one.limited_until_ms).toISOString()}${one.held_by === null ? '' : `: ${oneLine(one.held_by, 200)}`}`
              : one.held_by !== null
                ? `held: ${oneLine(one.held_by, 200)} (see mc-pickup status)`
                : 'ready';
      const { tokens, usd } = one.today;
      const used = tokens > 0 ? `  today ${tokens} tokens${usd > 0 ? `, $${usd.toFixed(2)}` : ''}` : '';
      context.out.line(`${one.name.padEnd(14)} ${one.kind.padEnd(9)} ${one.mode.padEnd(11)} ${state}${used}`);
    }
    return EXIT.ok;
  });
}

/** A person has set the client up: its profile is launched again. */
export async function agentReady(context: Context, name: string): Promise<ExitCode> {
  const { policy } = loadPolicy(context.places.config, context.env);
  if (policy.agents.size > 0 && !policy.agents.has(name))
    throw usageError(`no agent profile "${name}"; known: ${[...policy.agents.keys()].join(', ')}`);
  return withBoard(context, async (board) => {
    const won = await board.setReady({ name, fix: null, stamp: null }, byNow(context));
    const held = tryAtOnce(context.places, agentScope(name));
    const changed = won === 'won' || held;
    if (context.json) context.out.json({ agent: name, changed });
    else context.out.line(changed ? `${name} is ready` : `${name} was ready already`);
    return EXIT.ok;
  });
}

function sum(rows: readonly UsageRow[]): { tokens: number; usd: number } {
  return {
    tokens: rows.reduce((all, one) => all + one.input_tokens + one.output_tokens + one.cache_write_tokens, 0),
    usd: rows.reduce((all, one) => all + (one.cost_usd ?? 0), 0),
  };
}
