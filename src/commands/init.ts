import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { ensureTools } from '../runtime/launcher.ts';
import { type Context, withBoard } from './context.ts';

const HEADER = `# mc-pickup: what is dispatched where, and to whom. Every key is described in README.md.

[limits]
max_agents = 4              # living agents at a time
max_launches_per_tick = 4
ttl_minutes = 90            # silent for longer: parked, nothing is killed
max_attempts = 3

# One profile a client. "command" runs any program: the prompt is in the file $MC_PROMPT_FILE.
[agent.claude]
kind = "claude"
`;

/** Makes the state dir, the board and a configuration; never changes a file that is there but to add a project. */
export async function init(context: Context, o: { readonly project?: boolean }): Promise<ExitCode> {
  const { places, out } = context;
  await withBoard(context, async () => undefined);
  ensureTools(places, context.node, context.bin);
  const made: string[] = [places.board];
  if (!existsSync(places.config)) {
    mkdirSync(dirname(places.config), { recursive: true, mode: 0o700 });
    writeFileSync(places.config, HEADER, { mode: 0o600, flag: 'wx' });
    made.push(places.config);
  }
  if (o.project === true) {
    const project = here();
    const text = readFileSync(places.config, 'utf8');
    if (text.includes(`[project.${project.name}]`))
      out.line(`project ${project.name} is in ${places.config} already`);
    else {
      const gap = text.endsWith('\n') ? '\n' : '\n\n';
      const table = `[project.${project.name}]\nrepo = ${JSON.stringify(project.repo)}\nbase = ${JSON.stringify(project.base)}\n`;
      writeFileSync(places.config, `${text}${gap}${table}`);
      made.push(`project ${project.name}`);
    }
  }
  if (context.json) context.out.json({ state_dir: places.state, config: places.config, board: places.board });
  else for (const one of made) out.line(`ready: ${one}`);
  return EXIT.ok;
}

function here(): { name: string; repo: string; base: string } {
  const git = (...args: string[]): string | null => {
    const done = spawnSync('git', args, { encoding: 'utf8', timeout: 10_000 });
    if (done.error)
      throw new UserError(
        EXIT.unavailable,
        'git is not installed or not on PATH: install it, for example apt-get install git',
      );
    return done.status === 0 ? done.stdout.trim() : null;
  };
  const common = git('rev-parse', '--path-format=absolute', '--git-common-dir');
  if (common === null)
    throw new UserError(EXIT.usage, '--project: this directory is not in a git repository');
  const repo = basename(common) === '.git' ? dirname(common) : common;
  const head = git('symbolic-ref', '--short', 'refs/remotes/origin/HEAD')?.replace(/^origin\//, '');
  const base = head ?? git('symbolic-ref', '--short', 'HEAD') ?? 'main';
  const name =
    basename(repo)
      .replace(/[^A-Za-z0-9_-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '') || 'project';
  return { name, repo, base };
}
