import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { asCron } from '../doctor/as-cron.ts';
import { examine } from '../doctor/index.ts';
import { takeOver } from '../doctor/locks.ts';
import { restoreSettings, settleSettings } from '../doctor/settings.ts';
import { show } from '../doctor/show.ts';
import { lookAtOnce } from '../machine/holds.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { showing } from '../report/showing.ts';
import { isTerminal } from '../report/terminal.ts';

/** Looks at everything that a tick and its agents need, here or in the environment of a scheduler, and says for each what is
 *  wrong and what to do. What is held is looked at again by the next tick: whoever asks may have mended it. Exit 78 where something has to be mended before agents can be launched. */
export async function doctor(
  context: Context,
  o: { readonly asCron?: boolean; readonly fix?: boolean; readonly meant?: boolean } = {},
): Promise<ExitCode> {
  const { out, places } = context;
  // Before anything is put back.
  if (o.meant === true) for (const line of await settleSettings(places, Date.now())) out.warn(line);
  if (o.fix === true) for (const line of await mended(context)) out.warn(line);
  const look = o.asCron === true ? asCron : examine;
  const findings = await showing(context, 'looking', (say) => look(context, say));
  lookAtOnce(places);
  const width = isTerminal(1) ? (process.stdout.columns ?? 80) : null;
  if (context.json) out.json(findings);
  else for (const line of show(findings, { color: out.color, width })) out.painted(line);
  return findings.some(({ result }) => result === 'fail') ? EXIT.config : EXIT.ok;
}

/** What can be mended without a person's thought, a line for each. */
async function mended({ places, env }: Context): Promise<string[]> {
  const taken = takeOver(loadPolicy(places.config, env).policy, places.state);
  return [...taken, ...(await restoreSettings(places, Date.now()))];
}
