import { messageOf, UserError } from '../model/errors.ts';

/** What a finding is about: the headings of the output, in this order. */
export const TOPICS = ['programs', 'state', 'board', 'agents', 'projects', 'ticks', 'machine'] as const;

export type Topic = (typeof TOPICS)[number];

/** One thing that was looked at. `warn` keeps nothing from working; `fail` does. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly says: string;
  /** What to do; null = nothing. */
  readonly fix: string | null;
}

export interface TopicFinding extends Finding {
  readonly topic: Topic;
  /** It is so in a scheduler's environment and not in this one. */
  readonly only_as_cron?: true;
}

export function ok(check: string, says: string): Finding {
  return { check, result: 'ok', says, fix: null };
}

export function warn(check: string, says: string, fix: string): Finding {
  return { check, result: 'warn', says, fix };
}

export function fail(check: string, says: string, fix: string): Finding {
  return { check, result: 'fail', says, fix };
}

/** The same three, of one check. */
export function about(check: string) {
  return {
    ok: (says: string): Finding => ok(check, says),
    warn: (says: string, fix: string): Finding => warn(check, says, fix),
    fail: (says: string, fix: string): Finding => fail(check, says, fix),
  };
}

/** Whatever hangs is told and left behind. */
const BOUND_MS = 15_000;

/** One group of checks. */
export type Look = () => readonly Finding[] | Promise<readonly Finding[]>;

/** The findings of one group of checks. One that throws, or that does not end, is a finding itself. */
export async function looked(check: string, look: Look, bound_ms = BOUND_MS): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((done) => {
    const says = `no answer within ${bound_ms / 1000} s`;
    timer = setTimeout(
      () => done([warn(check, says, 'look at what is slow there, and ask again')]),
      bound_ms,
    );
  });
  try {
    return [...(await Promise.race([look(), late]))];
  } catch (error) {
    return [thrown(check, error)];
  } finally {
    clearTimeout(timer);
  }
}

/** An error as a finding: what a person has to mend is a failure, anything else only means that it was not looked at. */
export function thrown(check: string, error: unknown): Finding {
  const says = messageOf(error);
  if (error instanceof UserError) return fail(check, says, 'the line above says what to do');
  return warn(check, `could not be looked at: ${says}`, 'mend what it names, and ask again');
}
