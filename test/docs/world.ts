/** A user's home in which the commands of the documents are typed: repository, clients, scheduler and all. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileCrontab } from '../support/crontab.ts';
import { putTicket } from '../support/put.ts';
import { AGENT, BIN, makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

const LAYOUT = {
  state: 'home/.local/state/mc-pickup',
  repo: 'home/src/shop',
  config: 'home/.config/mc-pickup/config.toml',
};

/** Stands in for the client of a profile: it answers for its version, and works as the demonstration's agent does. */
const CLIENT = `#!/bin/sh
case "$1" in --version | -v) echo "2.9.9 (a stand-in)"; exit 0 ;; esac
MC_BEHAVE=review exec ${AGENT}
`;

export interface World {
  readonly box: Sandbox;
  readonly env: NodeJS.ProcessEnv;
  /** Types a script into \`bash\`; `marks` of file descriptor 3 come back apart from what is printed. */
  type(
    script: string,
  ): Promise<{ readonly code: number | null; readonly printed: string; readonly marks: string }>;
  /** Types one line into a terminal of its own, waits until something shows, leaves it, and gives its exit code. */
  watch(line: string): Promise<number>;
  destroy(): Promise<void>;
}

/** `fresh`: nothing of ours is there yet. `working`: MC-1 is being worked on, MC-2 has asked, MC-3 is blocked, MC-4 in review. */
export async function makeWorld(kind: 'fresh' | 'working'): Promise<World> {
  const box = makeSandbox('', LAYOUT);
  const home = join(box.dir, 'home');
  const bin = join(box.dir, 'bin');
  fileCrontab(bin);
  const program = (name: string, text: string): void => {
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
  };
  program('mc-pickup', `#!/bin/sh\nexec ${process.execPath} ${BIN} "$@"\n`);
  for (const client of ['claude', 'codex', 'opencode', 'gemini']) program(client, CLIENT);
  writeFileSync(join(home, '.claude.json'), '{}\n'); // as its first start leaves it
  const { MC_PICKUP_STATE_DIR: _, MC_PICKUP_CONFIG: __, ...rest } = box.env;
  const env = {
    ...rest,
    HOME: home,
    USER: 'ann',
    LOGNAME: 'ann',
    PATH: `${bin}:${rest.PATH}`,
  };
  rmSync(join(box.dir, LAYOUT.config));
  const world: World = {
    box,
    env,
    type: (script) =>
      new Promise((done) => {
        const child = spawn('bash', ['--norc', '-u', '-c', script], {
          cwd: box.repo,
          env,
          stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
        });
        const text = { printed: '', marks: '' };
        const into = (which: keyof typeof text) => (part: Buffer) => {
          text[which] += part.toString();
        };
        child.stdout?.on('data', into('printed'));
        child.stderr?.on('data', into('printed'));
        child.stdio[3]?.on('data', into('marks'));
        child.once('close', (code) => done({ code, ...text }));
      }),
    watch: (line) => watch(box, env, line),
    destroy: () => box.destroy(),
  };
  if (kind === 'working') await work(world);
  return world;
}

async function work({ box, env }: World): Promise<void> {
  const run = (...args: string[]): void => {
    const done = box.run(args, '', env);
    if (done.code !== 0) throw new Error(`${args.join(' ')}: exit ${done.code}: ${done.err}`);
  };
  box.configure(`default_agent = "claude"

[project.shop]
repo = ${JSON.stringify(box.repo)}
fetch = false

[agent.claude]
kind = "command"
argv = [${JSON.stringify(AGENT)}]
env = { MC_BEHAVE = "review" }

[agent.codex]
kind = "command"
argv = [${JSON.stringify(AGENT)}]
`);
  run('init');
  for (const [title, behave] of [
    ['Fix the login', 'hold'],
    ['Colour the button', 'ask'],
    ['Rotate the key', 'blocked'],
    ['Add a greeting', 'review'],
  ] as const)
    putTicket(box, { title, body: `behave: ${behave}`, project: 'shop', agent: null });
  run('dispatch');
  const state = (id: string) =>
    box.sql<{ status: string }>('SELECT status FROM tickets WHERE id = ?', id)[0]?.status;
  const there = () =>
    box.note('MC-1.holding') !== '' &&
    state('MC-2') === 'needs_input' &&
    state('MC-3') === 'blocked' &&
    state('MC-4') === 'in_review';
  if (!(await until(there))) throw new Error('the world of the documents did not come about');
  run('reconcile');
}

/** A terminal is a tmux server of its own: the agents' one must not end with it. */
async function watch(box: Sandbox, env: NodeJS.ProcessEnv, line: string): Promise<number> {
  const socket = join(box.dir, 'terminal.sock');
  const code = join(box.dir, 'terminal.code');
  rmSync(code, { force: true });
  const tmux = (...args: string[]): string =>
    spawnSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { env, cwd: box.repo, encoding: 'utf8' })
      .stdout;
  const path = `PATH=${env.PATH}`;
  const script = `unset TMUX TMUX_PANE; ${line}\necho $? >${code}.new && mv ${code}.new ${code}`;
  tmux(
    'new-session',
    '-d',
    '-x',
    '100',
    '-y',
    '30',
    'env',
    path,
    'EDITOR=true',
    'bash',
    '--norc',
    '-c',
    script,
  );
  try {
    if (!(await until(() => tmux('capture-pane', '-p').trim() !== '' || existsSync(code))))
      throw new Error(`"${line}" shows nothing`);
    if (/\battach\b/.test(line)) {
      await until(() => box.tmux('list-clients').out !== '');
      tmux('send-keys', 'C-b', 'd');
    } else if (!/\bconfig edit\b/.test(line))
      // That one ends with its editor, and a key would meet the shell behind it.
      tmux('send-keys', /^\s*man /.test(line) ? 'q' : 'C-c');
    if (!(await until(() => existsSync(code))))
      throw new Error(`"${line}" does not end: ${tmux('capture-pane', '-p')}`);
    return Number(readFileSync(code, 'utf8'));
  } finally {
    tmux('kill-server');
  }
}
