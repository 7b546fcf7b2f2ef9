import type { Board } from '../board/port/index.ts';
import { tokenOf } from '../config/board.ts';
import { monotonicMs } from '../machine/clock.ts';
import { messageOf } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import { blocks, type Switch } from '../model/world.ts';
import { commandForge } from './forge/command.ts';
import { type Forge, ForgeError } from './forge/forge.ts';
import { type PublishHands, publishOne, type Told } from './one.ts';
import { type PublishStep, type PublishWorld, planPublish } from './plan.ts';

/* A bundle of its own: whoever is outside imports this file alone. */
export { planPublish, publishOne };

/** Tickets that one tick brings further; the next one goes on. */
const MOST = 8;
/** After this no other ticket is begun. */
const BUDGET_MS = 20_000;
const MOST_IN_REVIEW = 500;

export interface PublishOptions extends Omit<PublishWorld, 'tickets' | 'rows'> {
  /** The switches of this moment: a person may have switched one on since the tick looked. */
  readonly switchesNow?: () => readonly Switch[];
}

/** What a tick would bring on its way out, and why. Reads the board alone. */
export async function plannedPublish(board: Board, o: PublishOptions): Promise<PublishStep[]> {
  const names = [...o.policy.projects.values()].filter(({ review }) => review !== null);
  const lists = await Promise.all(
    names.map(({ name }) => board.tickets({ status: ['in_review'], project: name, limit: MOST_IN_REVIEW })),
  );
  const tickets = lists.flat();
  if (tickets.length === 0) return [];
  const rows = await board.reviews(tickets.map(({ id }) => id));
  // A server of an earlier contract keeps none: then nothing goes out, since nothing could be looked for again.
  return rows === null ? [] : planPublish({ ...o, tickets, rows });
}

/** Brings what is due on its way out: a few tickets, in a bounded time. One ticket's failure never stops the others. */
export async function publishPass(
  o: PublishOptions &
    Pick<PublishHands, 'board' | 'host_id' | 'clock' | 'placed'> & { readonly env: NodeJS.ProcessEnv },
): Promise<Told[]> {
  const begun = monotonicMs();
  const told: Told[] = [];
  for (const step of await plannedPublish(o.board, o)) {
    if (told.length >= MOST || monotonicMs() - begun > BUDGET_MS) break;
    if (blocks(o.switchesNow?.() ?? [], step.project.name, undefined) !== null) continue;
    try {
      const one = await publishOne(step, handsOf(o));
      if (one !== null) told.push(one);
    } catch (error) {
      const why = messageOf(error);
      told.push({ ticket: step.ticket.id, text: oneLine(why, 400), failed: true, news: true });
    }
  }
  return told;
}

/** The hands of a pass over these projects. */
export function handsOf(
  o: Pick<PublishHands, 'board' | 'host_id' | 'clock' | 'placed'> & {
    readonly policy: Policy;
    readonly env: NodeJS.ProcessEnv;
  },
): PublishHands {
  const { board, host_id, clock, placed, policy } = o;
  const { limits } = policy;
  return { board, host_id, clock, placed, limits, forgeOf: (step) => forgeOf(step, o.env, clock) };
}

async function forgeOf(
  { spec, project }: PublishStep,
  env: NodeJS.ProcessEnv,
  now: () => number,
): Promise<Forge> {
  if (spec.pull_request === 'command' && spec.command !== null)
    return commandForge({ spec: spec.command, cwd: project.repo, env });
  const from = { token_file: spec.token_file ?? undefined, token_env: spec.token_env ?? undefined };
  const wrong = (key: string | null, says: string) =>
    new ForgeError(`project.${project.name}.review.${key ?? ''}: ${says}`);
  const token = tokenOf(from, { env, dir: '/' }, wrong);
  const { gitHub } = await import('./forge/github.ts');
  return gitHub({ repo: spec.repo ?? '', api_url: spec.api_url, token, now });
}
