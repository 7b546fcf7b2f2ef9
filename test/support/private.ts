/** A machine within the machine: the real cron, crontab and systemd user manager on files of their own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { findProgram } from '../../src/machine/programs.ts';
import { BOUND_MS } from './sandbox.ts';
import { waitFor } from './wait.ts';

/** Tests that need programs of the machine: skipped with the reason where one is missing, but never where CI is set.
 *  `unshare` stands for a mount namespace as well. */
export function describeWith(title: string, programs: readonly string[], body: () => void): void {
  const why = lacking(programs);
  if (why !== null && process.env.CI) throw new Error(`"${title}" ${why}, and CI must have it`);
  describe.skipIf(why !== null)(why === null ? title : `${title} (${why})`, body);
}

function lacking(programs: readonly string[]): string | null {
  const path = `${process.env.PATH}:/usr/sbin:/sbin:/lib/systemd`;
  const missing = programs.filter((name) => findProgram(name, path) === null);
  if (missing.length > 0) return `needs ${missing.join(', ')}`;
  if (!programs.includes('unshare') || spawnSync('unshare', ['-m', 'true']).status === 0) return null;
  return 'needs a mount namespace: root, and unshare allowed';
}

/* What is mounted here is seen by the processes of this namespace alone. The machine's own jobs must not be started a
 * second time: the private cron sees no /etc/crontab and no /etc/cron.d. */
const MOUNTS = `set -e
mount -t tmpfs tmpfs /run
mkdir -p -m 0700 /run/user/$(id -u)
mkdir -p /run/systemd/system
if [ -d /var/spool/cron ]; then
  mount -t tmpfs tmpfs /var/spool/cron
  mkdir /var/spool/cron/crontabs
  chgrp crontab /var/spool/cron/crontabs
  chmod 1730 /var/spool/cron/crontabs
fi
if [ -d /etc/cron.d ]; then mount -t tmpfs tmpfs /etc/cron.d; fi
: >/run/empty
if [ -e /etc/crontab ]; then mount --bind /run/empty /etc/crontab; fi
`;
const CGROUP = `umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
`;

export interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class PrivateMachine {
  readonly #holder: ChildProcess;
  readonly #children: ChildProcess[] = [];
  readonly #cgroup: string | null;

  private constructor(holder: ChildProcess, cgroup: string | null) {
    this.#holder = holder;
    this.#cgroup = cgroup;
  }

  static async start(options: { readonly cgroup?: boolean } = {}): Promise<PrivateMachine> {
    const script = `${MOUNTS}${options.cgroup ? CGROUP : ''}echo ready; exec sleep 900`;
    const holder = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    holder.stdout?.on('data', (part) => (said += part));
    holder.stderr?.on('data', (part) => (said += part));
    const name = options.cgroup ? `mc-pickup-test-${process.pid}` : null;
    const machine = new PrivateMachine(holder, name);
    try {
      await waitFor(() => said !== '' || holder.exitCode !== null, 'the private machine');
      if (said !== 'ready\n') throw new Error(`no private machine: ${said}`);
    } catch (error) {
      await machine.destroy();
      throw error;
    }
    return machine;
  }

  /** Runs a program inside to its end. */
  run(argv: readonly string[], env: NodeJS.ProcessEnv, input: string | Buffer = ''): Result {
    const done = spawnSync('nsenter', [...this.#enter(), ...argv], {
      env,
      input,
      timeout: BOUND_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return { code: done.status, out: done.stdout.toString(), err: done.stderr.toString() };
  }

  /** Starts one that goes on until the end. */
  begin(argv: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const child = spawn('nsenter', [...this.#enter(), ...argv], { env, stdio: 'ignore' });
    this.#children.push(child);
    return child;
  }

  /** Starts it as systemd would have it: in a control group that is its own to divide. */
  beginInCgroup(argv: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const dir = `/sys/fs/cgroup/${this.#cgroup}/own`;
    const enter = `mkdir -p ${dir} && echo $$ >${dir}/cgroup.procs && exec "$@"`;
    return this.begin(['sh', '-c', enter, 'sh', ...argv], env);
  }

  async destroy(): Promise<void> {
    const groups = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup']
      .map((root) => join(root, this.#cgroup ?? ''))
      .filter((dir) => this.#cgroup !== null && existsSync(dir));
    // Everything that was ever started in it.
    for (const dir of groups) writeFileSync(join(dir, 'cgroup.kill'), '1');
    for (const child of [...this.#children, this.#holder]) {
      child.kill('SIGTERM');
      await waitFor(() => child.exitCode !== null || child.signalCode !== null, 'its end', 5000).catch(() =>
        child.kill('SIGKILL'),
      );
    }
    for (const dir of groups) {
      const empty = () => readFileSync(join(dir, 'cgroup.events'), 'utf8').includes('populated 0');
      await waitFor(empty, 'an empty control group');
      removeGroups(dir);
    }
  }

  #enter(): string[] {
    return ['-m', '-t', String(this.#holder.pid), '--'];
  }
}

/** A control group is removed from its leaves up, and only when nothing is in it. */
function removeGroups(dir: string): void {
  for (const one of readdirSync(dir, { withFileTypes: true }))
    if (one.isDirectory()) removeGroups(join(dir, one.name));
  rmdirSync(dir);
}

/** From here on sandboxes are made in a directory whose name means something to cron, sh, systemd and XML. The returned
 *  function ends that. */
export function hostileTmp(): () => void {
  const before = process.env.TMPDIR;
  const base = mkdtempSync(join(tmpdir(), 'mcp-'));
  const dir = join(base, `a b%h $H;'"<&>é`);
  mkdirSync(dir);
  process.env.TMPDIR = dir;
  return () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(base, { recursive: true, force: true });
  };
}
