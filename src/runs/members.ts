import { allPids, isEnd, lacksProc, PROC, type Proc, runIn, shownOf } from '../machine/proc.ts';
import { type Standing, standingOf } from '../machine/process.ts';

export interface Members {
  readonly members: readonly Standing[];
  /** In the session of the run, and its environment can't be read: it may be a member. */
  readonly unreadable: readonly Standing[];
}

/** One process, and the run that its environment names; null = none, undefined = it can't be read. */
export interface Seen {
  readonly standing: Standing;
  readonly run: string | null | undefined;
}

/** One pass over all living processes but this one. Linux only. */
export function lookAtAll(proc: Proc = PROC): readonly Seen[] {
  if (lacksProc(proc)) return [];
  return allPids(proc).flatMap((pid): Seen[] => {
    const standing = pid <= 1 || pid === process.pid ? null : standingOf(pid, proc);
    if (standing === null || isEnd(standing.state)) return [];
    try {
      const run = runIn(shownOf(pid, proc).environ)?.run ?? null;
      return [{ standing, run }];
    } catch {
      return standingOf(pid, proc)?.start === standing.start ? [{ standing, run: undefined }] : [];
    }
  });
}

/** Living processes of a run: those with its id in their environment, and those in the session that its pane was started as
 *  (the kernel gives that number to nobody else while one of them lives). Another user's process, which can't be read, is none of
 *  the run's, unless it stands in that session. */
export function membersOf(
  { mark, session }: { readonly mark: string; readonly session?: number | null },
  all: readonly Seen[] = lookAtAll(),
): Members {
  const mine = (one: Seen): boolean =>
    (mark !== '' && one.run === mark) || (session != null && one.standing.session === session);
  const its = all.filter(mine);
  return {
    members: its.filter(({ run }) => run !== undefined).map(({ standing }) => standing),
    unreadable: its.filter(({ run }) => run === undefined).map(({ standing }) => standing),
  };
}
