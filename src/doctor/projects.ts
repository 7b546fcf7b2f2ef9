import { accessSync, constants, existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { clientsTrust } from '../agents/trusting.ts';
import type { Context } from '../context.ts';
import { findProgram } from '../machine/programs.ts';
import type { HookSpec, Policy, Project } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { standing } from './disk.ts';
import { about, type Finding, fail, looked, ok, warn } from './finding.ts';
import { lockFindings } from './locks.ts';
import { repository } from './repository.ts';
import { worktreeFindings } from './worktrees.ts';

/** Every project: its repository and base, what its agents commit as, its hooks, its worktrees, and who trusts it. */
export async function projectFindings(
  context: Context,
  policy: Policy,
  closed: ReadonlySet<string>,
): Promise<Finding[]> {
  const each = [...policy.projects.values()].map((project) =>
    looked(`project ${project.name}`, async () => {
      const found = await repository(project, policy, context.env);
      // Of a repository that is none there is nothing more to say.
      if (found[0]?.result === 'fail') return found;
      return [
        ...found,
        ...trust(project, policy, context.env),
        ...hooks(project, context),
        ...worktrees(project, context, closed),
        ...lockFindings(project, context.places.state),
        ...worktreeFindings(project, context.places, closed),
      ];
    }),
  );
  return (await Promise.all(each)).flat();
}

function trust({ name, repo }: Project, policy: Policy, env: NodeJS.ProcessEnv): Finding[] {
  return clientsTrust(policy, repo, env)
    .filter(({ state }) => state !== 'trusted')
    .map(({ kind, file }) =>
      warn(
        `project ${name}`,
        `${kind} has no trust in ${repo} on record (${file})`,
        `mc-pickup init --project --trust in ${repo}, or start ${kind} there once`,
      ),
    );
}

function hooks(
  { name, repo, path: folder, after_create, before_run }: Project,
  { places, env }: Context,
): Finding[] {
  const check = `hooks ${name}`;
  const path = [places.bin, env.PATH].filter(Boolean).join(':');
  const missing = (hook: HookSpec | null): string | null => {
    const word = hook?.argv[0];
    if (word === undefined) return null;
    // It is started in the new worktree, where the files of the repository are.
    const at = word.includes('/') && !isAbsolute(word) ? join(repo, folder ?? '', word) : word;
    return findProgram(at, path) === null ? word : null;
  };
  const found = [
    { key: 'after_create', hook: after_create, result: fail, so: 'every launch fails' },
    { key: 'before_run', hook: before_run, result: warn, so: 'it is left out' },
  ].flatMap(({ key, hook, result, so }) => {
    const word = missing(hook);
    const says = `${key}: "${word}" was not found or can't be executed: ${so}`;
    return word === null ? [] : [result(check, says, `correct project.${name}.${key}, or chmod +x it`)];
  });
  if (found.length > 0) return found;
  const both = [after_create, before_run].filter((one) => one !== null);
  return both.length === 0 ? [] : [ok(check, both.map(({ argv }) => argv.join(' ')).join('; '))];
}

function worktrees(project: Project, { places }: Context, closed: ReadonlySet<string>): Finding[] {
  const { name, repo } = project;
  const { ok, warn, fail } = about(`worktrees ${name}`);
  const root = project.worktrees ?? join(places.worktrees, name);
  const key = `project.${name}.worktrees`;
  const stat = lstatSync(root, { throwIfNoEntry: false });
  if (project.worktrees !== null && stat === undefined)
    return [fail(`${root} does not exist`, `mount its disk, make it, or mend ${key}`)];
  if (stat?.isSymbolicLink() === true)
    return [
      fail(
        `${root} is a symlink: worktrees go only where the configuration says`,
        `name the real path in ${key}`,
      ),
    ];
  const there = standing(root);
  if (!writable(there)) return [fail(`${there} can't be written to`, 'look at its owner and permissions')];
  const tree = realpathSync(repo);
  const inside = realpathSync(there);
  if (
    (inside === tree || inside.startsWith(`${tree}/`)) &&
    !inside.startsWith(`${tree}/.git/`) &&
    !bare(tree)
  )
    return [
      warn(
        `${root} is inside the tree of ${repo}: its files are looked through again and again there`,
        `choose a directory outside of it: ${key}, or --state-dir`,
      ),
    ];
  const left = stat === undefined ? [] : readdirSync(root).filter((one) => closed.has(one));
  const more = `, of them ${many(left.length, 'worktree')} of closed tickets (mc-pickup clean shows which may go)`;
  return [ok(`${root}${left.length === 0 ? '' : more}`)];
}

function bare(repo: string): boolean {
  return !existsSync(join(repo, '.git')) && existsSync(join(repo, 'objects'));
}

function writable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
