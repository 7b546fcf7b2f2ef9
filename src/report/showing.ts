import { beforePrinting, type Out } from './out.ts';
import { isTerminal } from './terminal.ts';

export type Say = (what: string) => void;

interface Where {
  readonly json: boolean;
  readonly out: Out;
}

/** Whether somebody sits there and waits. */
function isWatched({ json, out }: Where): boolean {
  return !json && !out.quiet && isTerminal(2);
}

/** Works, and says what at if it takes more than a second and a person waits for it. */
export async function showing<T>(context: Where, what: string, work: (say: Say) => Promise<T>): Promise<T> {
  if (!isWatched(context)) return work(() => undefined);
  const progress = (await import('./progress.ts')).startProgress(what, beforePrinting);
  try {
    return await work((now) => progress.say(now));
  } finally {
    progress.stop();
  }
}
