import { existsSync, readdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import { isLess, limitWords, type OpenFiles, openFilesOf } from '../machine/limits.ts';
import { procText } from '../machine/proc.ts';
import { run } from '../machine/spawn.ts';
import { todoOf } from '../model/hold.ts';
import type { Runtime } from '../model/runtime.ts';
import { many } from '../model/text.ts';
import type { TmuxView } from '../model/world.ts';
import { whyNoServerBeside } from '../tmux/server.ts';
import { viewServer } from '../tmux/view.ts';
import { about, type Finding, fail, ok, warn } from './finding.ts';

const TIMEOUT_MS = 3000;

/** The tmux server of ours: whether it answers, and whether it outlives what started it. */
export async function serverFindings({ tmux, env }: Context, live: readonly Runtime[]): Promise<Finding[]> {
  const view = await viewServer(tmux, { repair: false });
  const group = view.kind === 'server' ? unitIn(procText(`${view.server_pid}/cgroup`) ?? '') : null;
  // The first launch would meet it.
  const why = view.kind === 'none' && existsSync(dirname(tmux.socket)) ? await whyNoServerBeside(tmux) : null;
  return [
    why === null
      ? server(view, live)
      : fail('tmux server', why, todoOf({ scope: 'host', because: 'tmux_fails' })),
    ...(view.kind === 'server' ? openFiles(openFilesOf(view.server_pid), openFilesOf('self')) : []),
    ...(group === null ? [] : [await outlives(group, env)]),
    ...linger(env, { inManager: group?.user === true }),
  ];
}

function server(view: TmuxView, live: readonly Runtime[]): Finding {
  const { ok, warn, fail } = about('tmux server');
  switch (view.kind) {
    case 'server': {
      const panes = view.panes.filter(({ run: mark, dead }) => mark !== '' && !dead).length;
      const odd = view.panes.filter((pane) => pane.odd);
      if (odd.length > 0)
        return warn(
          `pid ${view.server_pid}; ${odd.map(({ pane, pid }) => `pane ${pane} (process ${pid})`).join(', ')} has marks that are not ours`,
          'an agent has set options of its pane: its process tells whose it is; look what it does (mc-pickup attach)',
        );
      return ok(`pid ${view.server_pid}, ${many(panes, 'agent')}`);
    }
    case 'none': {
      const lost = live.filter(({ tmux_pane, phase }) => tmux_pane !== null && phase !== 'launching').length;
      if (lost === 0) return ok('none yet: the first launch starts it');
      return warn(
        `there is none, and the board knows ${many(lost, 'runtime')} that it had`,
        'nothing to do: the next tick starts their tickets again, at no cost of an attempt',
      );
    }
    case 'unknown':
      if (view.error.includes('socket was deleted'))
        return warn(view.error, 'nothing to do: the next tick has it restored (SIGUSR1)');
      return fail(
        view.error,
        /too long|not installed/.test(view.error)
          ? 'until then nothing is launched'
          : 'until it answers no tick does anything: look whether that process hangs (ps, top)',
      );
  }
}

/** A server keeps the limits of whatever started it, and hands them on to each agent: a file watcher alone may need thousands. Node
 *  raises its own to the hard limit, and so those of the server that a tick starts. */
export function openFiles(agents: OpenFiles | null, here: OpenFiles | null): Finding[] {
  if (agents === null || here === null) return [];
  const { ok, warn } = about('agents limits');
  const says = `${limitWords(agents.soft)} open files at a time`;
  if (!isLess(agents.soft, agents.hard) && !isLess(agents.hard, here.hard)) return [ok(says)];
  const more = isLess(agents.hard, here.hard)
    ? `, and this shell ${limitWords(here.hard)}`
    : ` of ${limitWords(agents.hard)}`;
  return [
    warn(
      `agents may have ${says}${more}`,
      'raise it where ticks are started (/etc/security/limits.conf; LimitNOFILE= of a unit); the next tmux server has it, once these agents have ended',
    ),
  ];
}

/** Where systemd counts a process: its unit, and whether a user's own manager runs it. */
export interface Group {
  readonly unit: string;
  readonly user: boolean;
}

/** The unit that a process belongs to, by the text of /proc/PID/cgroup; null = none, or no systemd. */
export function unitIn(text: string): Group | null {
  const lines = text.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const path = (lines.find((one) => one?.[1] === '') ?? null)?.[2] ?? '';
  const named = lines.find((one) => one?.[1] === 'name=systemd')?.[2] ?? '';
  // With both hierarchies mounted, the old one may be the one that is in use.
  const chosen = [path, named].find((one) => /\.(service|scope)(\/|$)/.test(one)) ?? '';
  const unit = chosen.split('/').findLast((part) => /\.(service|scope)$/.test(part));
  return unit === undefined ? null : { unit, user: /\/user@\d+\.service\//.test(chosen) };
}

/** A service that is stopped takes all of its group along, unless it says otherwise. */
async function outlives({ unit, user }: Group, env: NodeJS.ProcessEnv): Promise<Finding> {
  const { ok, warn } = about('tmux group');
  if (unit.endsWith('.scope')) return ok(unit);
  const words = [...(user ? ['--user'] : []), 'show', '--property=KillMode', '--value', '--', unit];
  const asked = await run('systemctl', words, { timeoutMs: TIMEOUT_MS, env });
  const mode = asked.code === 0 ? asked.stdout.trim() : '';
  if (mode === 'process' || mode === 'none') return ok(`${unit} (KillMode=${mode}: it outlives that)`);
  return warn(
    `it is a part of ${unit}${mode === '' ? '' : ` (KillMode=${mode})`}: when that stops, every agent ends`,
    `let the agents finish, and tmux start again outside of it; or give ${unit} KillMode=process`,
  );
}

/** A user's manager, and all that it runs, ends with the last session, unless the user lingers. `root`: of the machine;
 *  tests put another one in its place. */
export function linger(
  env: NodeJS.ProcessEnv,
  { inManager, root = '/' }: { readonly inManager: boolean; readonly root?: string },
): Finding[] {
  if (!existsSync(join(root, 'run/systemd/system'))) return [];
  const units = join(env.XDG_CONFIG_HOME || join(env.HOME ?? '', '.config'), 'systemd', 'user');
  const ours = existsSync(units) && readdirSync(units).some((name) => /^mc-pickup.*\.timer$/.test(name));
  if (!ours && !inManager) return [];
  const { username } = userInfo();
  if (existsSync(join(root, 'var/lib/systemd/linger', username)))
    return [ok('linger', `${username} lingers`)];
  return [
    warn(
      'linger',
      `${username} does not linger: ${inManager ? 'the tmux server and its agents end' : 'no tick runs'} once you are logged out`,
      `loginctl enable-linger ${username}`,
    ),
  ];
}
