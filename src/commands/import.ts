import { withBoard, withReader } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import type * as tasks from '../import/index.ts';
import { add, change, type Plan, planOf } from '../import/onto.ts';
import { EXIT, type ExitCode, UserError, usageError } from '../model/errors.ts';
import { printImported, refusal } from '../report/import.ts';
import { showing } from '../report/showing.ts';
import { forgeOf, type ImportOptions, textOf } from './import-from.ts';
import { labelsOf, nameOf } from './names.ts';
import { defaultProject } from './ticket.ts';

/** Brings tasks of other tools onto the board, each source once. */
export async function importTickets(
  context: Context,
  file: string | undefined,
  o: ImportOptions,
): Promise<ExitCode> {
  const me = actorOf(context);
  const filter = {
    only: o.only.map((one) => nameOf('--only', one)),
    labels: labelsOf(o.label),
  };
  const named = o.project === undefined ? null : nameOf('--project', o.project);
  const late = await import('../import/index.ts');
  const reading = await read(context, late, file, o, filter);
  for (const warning of reading.warnings) context.out.warn(warning);
  const dry = o.dryRun === true;
  const wish = {
    ...{ update: o.update === true, trust: o.trust === true, actor: me },
    project: () => named ?? defaultProject(loadPolicy(context.places.config, context.env).policy, context),
  };
  return (dry ? withReader<ExitCode> : withBoard<ExitCode>)(context, async (board) => {
    const plan = await planOf(board, late, reading, wish);
    if (plan.bad.length > 0 && !o.skipBad) throw usageError(refusal(plan.bad, reading));
    const ids = dry ? new Map<string, string>() : await add(board, plan.add, me);
    const { updated, left } = dry ? { updated: plan.change, left: plan.left } : await change(board, plan, me);
    warnUnknown(context, plan.add);
    printImported(context, { ...plan, updated, left, ids, dry, reading });
    return EXIT.ok;
  });
}

async function read(
  context: Context,
  late: typeof tasks,
  file: string | undefined,
  o: ImportOptions,
  filter: tasks.Filter,
): Promise<tasks.Reading> {
  const forge = o.from === 'github' || o.repo !== undefined;
  if (forge) loadPolicy(context.places.config, context.env); // it knows the way out
  const tried = forge
    ? await showing(context, `asking for the issues of ${o.repo ?? ''}`, () =>
        late.readForge(forgeOf(context.env, file, o, filter.only), filter),
      )
    : await late.readFile(textOf(file, o), filter);
  if (tried.ok) return tried.value;
  throw new UserError(tried.exit, tried.why);
}

/** Tickets that no tick will launch as things stand come in all the same. */
function warnUnknown({ out, places, env }: Context, all: Plan['add']): void {
  const { policy } = loadPolicy(places.config, env);
  if (policy.broken.length > 0) return;
  const count = (
    names: readonly (string | null)[],
    known: ReadonlyMap<string, unknown>,
    what: string,
  ): void => {
    for (const name of new Set(names))
      if (name !== null && !known.has(name))
        out.warn(
          `no ${what} "${name}" in ${places.config}: ${names.filter((one) => one === name).length} tickets will be skipped`,
        );
  };
  count(
    all.map(({ project }) => project),
    policy.projects,
    'project',
  );
  count(
    all.map(({ agent }) => agent),
    policy.agents,
    'agent profile',
  );
}
