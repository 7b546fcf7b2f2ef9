import { knownBoard, withBoard, withReader } from '../board/open.ts';
import type { ActivityRow } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import { parseDuration } from '../machine/killswitch.ts';
import { type Found, GROUPS, type Group, type Item, type Proposal } from '../model/clean.ts';
import { configError, EXIT, type ExitCode, messageOf, usageError } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import { brokenLine } from '../model/policy.ts';
import { type Outcome, printDone, printProposed } from '../report/clean.ts';
import { showing } from '../report/showing.ts';
import { betweenTicks } from '../tick/between.ts';

export interface CleanOptions {
  readonly yes?: boolean;
  readonly olderThan: string;
  readonly only?: readonly string[];
}

/** Branches go only where they are named: they are what is left of the work. */
const USUAL: readonly Group[] = GROUPS.filter((one) => one !== 'branches');
const LEAST_MS = 3_600_000;

/** Proposes what may go, and writes nothing; with `--yes` it goes. */
export async function clean(context: Context, o: CleanOptions): Promise<ExitCode> {
  const groups = groupsOf(o.only);
  const older_ms = parseDuration(o.olderThan);
  if (older_ms === null || older_ms < LEAST_MS)
    throw usageError(`--older-than: "${o.olderThan}" is no duration of an hour or more: use 12h or 30d`);
  const { policy } = loadPolicy(context.places.config, context.env);
  // Where worktrees are, and what they are compared with, stands there.
  if (policy.broken.length > 0)
    throw configError(`nothing is cleaned by a broken configuration: ${brokenLine(policy)}`);
  const known = await knownBoard(context);
  const { places, env, tmux } = context;
  const { name, upkeep } = known;
  const common = { places, env, tmux, policy, older_ms, name, upkeep };
  // A board that is not there yet is not made for this.
  const reads = o.yes !== true || !known.exists();
  const work = reads ? withReader : withBoard;
  return work(context, async (board) => {
    const { carryOut, propose } = await import('../clean/index.ts');
    const here = { ...common, board, now_ms: Date.now() };
    const found = await showing(context, 'looking for what may go', () => propose(groups, here));
    if (reads) {
      printProposed(context, found, ['mc-pickup clean --yes', ...words(o)].join(' '));
      return EXIT.ok;
    }
    if (found.proposals.length === 0) return told(context, found, []);
    for (const proposal of found.proposals) await before(proposal);
    const outcomes = await betweenTicks(context, 'cleaning up', async () => {
      const done: Outcome[] = [];
      for (const proposal of found.proposals) {
        const { item } = proposal;
        const acted = await carryOut(proposal);
        done.push({ item, acted });
        if (acted.result === 'done' && item.kind !== 'trash') await note(item, acted.restore);
      }
      return done;
    });
    // Nobody finds these any more: they are deleted while ticks run again.
    return told(context, found, outcomes.map(finished));

    /** The hooks of projects take their time, which no tick has to wait for. */
    async function before(proposal: Proposal): Promise<void> {
      const wrong = (await proposal.before?.()) ?? null;
      if (wrong === null) return;
      const { name, ticket } = proposal.item;
      context.out.warn(`${name}: ${wrong}: it goes none the less`);
      await log({ ticket_id: ticket, kind: 'warning', because: null, text: wrong });
    }

    /** For `log` and `explain`. What is gone is gone, whether or not the board can say so. */
    async function note(item: Item, restore: string | null): Promise<void> {
      const text = restore ?? (item.rows === null ? item.name : `${item.rows} rows of ${item.name}`);
      const row = { ticket_id: item.ticket, kind: 'cleaned', because: item.because, text };
      await log(row).catch((error: unknown) => {
        context.out.warn(
          `${item.name} was cleaned, and the log of the board does not say so: ${messageOf(error)}`,
        );
      });
    }

    function log(row: Omit<ActivityRow, 'id' | 'at_ms' | 'run_id' | 'actor'>): Promise<void> {
      return board.log({ at_ms: Date.now(), run_id: null, actor: actorOf(context), ...row });
    }
  });
}

function finished(one: Outcome): Outcome {
  if (one.acted.result !== 'done' || one.acted.later === undefined) return one;
  try {
    one.acted.later();
    return one;
  } catch (error) {
    const why = `it can be brought back, and was not deleted whole (${messageOf(error)}): the next clean goes on`;
    return { ...one, acted: { result: 'failed', error: why } };
  }
}

function groupsOf(only: readonly string[] | undefined): readonly Group[] {
  const names = (only ?? []).flatMap((one) => one.split(','));
  for (const name of names) {
    if ((GROUPS as readonly string[]).includes(name)) continue;
    throw usageError(`--only: "${name}" is none of ${GROUPS.join(', ')}${hint(name, GROUPS)}`);
  }
  return names.length === 0 ? USUAL : GROUPS.filter((one) => names.includes(one));
}

function words({ olderThan, only }: CleanOptions): string[] {
  return [
    ...(olderThan === '30d' ? [] : ['--older-than', olderThan]),
    ...(only ?? []).flatMap((one) => ['--only', one]),
  ];
}

function told(context: Context, found: Found, outcomes: readonly Outcome[]): ExitCode {
  printDone(context, found, outcomes);
  return outcomes.some(({ acted }) => acted.result === 'failed') ? EXIT.partial : EXIT.ok;
}
