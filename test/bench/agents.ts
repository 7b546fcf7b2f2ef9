/** What is called beside the ticks: by a launcher (`register`), by an agent's hooks (`mc-event`), by people (`status`, `send`). */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { QUICK_START } from '../../src/act/launch/script.ts';
import { shellQuote } from '../../src/machine/files.ts';
import { ownDir } from '../../src/runs/dirs.ts';
import { ensureTools } from '../../src/runs/tools.ts';
import { waitFor } from '../support/wait.ts';
import { addTicket, BIN, type Case, command, makeCase, program, withBoard } from './cases.ts';
import { type Command, plain, type Subject } from './measure.ts';
import { claim } from './runtimes.ts';
import type { Scratch } from './scratch.ts';

/** A launcher that registers by itself in the pane that tmux starts for it, each time of another run that was just claimed. */
export function registration(one: Case): Subject {
  let run = '';
  return {
    name: 'register',
    ready: async () => {
      run = await withBoard(one, async (board) => {
        const ticket = await addTicket(board, 'Register me');
        const claimed = await claim(board, one, ticket);
        stage(one, claimed, ticket);
        return claimed;
      });
      return registerCommand(one, run);
    },
    done: () =>
      withBoard(one, async (board) => {
        const row = await board.runtime(run);
        if (row?.phase !== 'registered') throw new Error(`${run} is ${row?.phase ?? 'not there'}`);
        await board.end(
          { runtime: { run, version: row.version }, end: ENDED },
          { actor: 'bench', now_ms: Date.now() },
        );
      }),
  };
}

const ENDED = { end_reason: 'finished', exit_code: 0, exit_signal: null };

/** What a launch leaves for the launcher to read. */
function stage({ places }: Case, run: string, ticket: string): void {
  const dir = join(places.runs, run);
  const own = ownDir(dir);
  for (const made of [join(dir, 'events'), own]) mkdirSync(made, { recursive: true });
  const file = {
    ...{ run, ticket, owner: null, agent: 'scripted', kind: 'command', project: 'demo', claim_epoch: 1 },
    ...{ worktree: places.worktrees, branch: null, ticket_created_at_ms: null, headless: false },
    ...{ client_session: null, env: {} },
  };
  writeFileSync(join(own, 'run.json'), JSON.stringify(file));
  const where = ['--state-dir', places.state, '--config', places.config];
  const words = [process.execPath, QUICK_START, BIN, ...where, 'register', run].map(shellQuote).join(' ');
  // In place of an agent: the end, which the command below waits for.
  const end = ['tmux', '-S', places.socket, 'wait-for', '-S', run].map(shellQuote).join(' ');
  writeFileSync(join(own, 'launch'), `${words} $$\n${end}\n`);
}

/** tmux starts the launcher, as for a tick, and ends once that is through. */
function registerCommand({ places, env }: Case, run: string): Command {
  const launcher = ['/bin/sh', join(ownDir(join(places.runs, run)), 'launch'), 'clean'];
  return {
    file: 'tmux',
    args: [
      ...[
        '-S',
        places.socket,
        '-f',
        '/dev/null',
        'start-server',
        ';',
        'set-option',
        '-g',
        'exit-empty',
        'off',
        ';',
      ],
      ...['new-session', '-d', '-s', run, '--', ...launcher, ';'],
      ...['set-option', '-p', '-t', `=${run}:`, '@mc_run', run, ';', 'wait-for', run],
    ],
    env,
  };
}

const EVENT = `${JSON.stringify({ session_id: 'bench', hook_event_name: 'Stop', text: 'word '.repeat(100) })}\n`;

/** One event of an agent, and a shell that does nothing with the same input. */
export function event({ places, env }: Case): { readonly event: Subject; readonly shell: Subject } {
  ensureTools(places, process.execPath, BIN);
  const runDir = join(places.runs, 'bench-events');
  const events = join(runDir, 'events');
  mkdirSync(events, { recursive: true });
  const withRun = { ...env, MC_RUN_DIR: runDir };
  return {
    event: {
      name: 'event',
      ready: () => ({ file: join(places.bin, 'mc-event'), args: ['idle'], env: withRun, input: EVENT }),
      done: () => {
        const made = readdirSync(events);
        if (made.length !== 1 || !made[0]?.startsWith('idle.')) throw new Error(`events: ${made.join()}`);
        for (const name of made) rmSync(join(events, name));
      },
    },
    shell: plain('sh -c :', { file: '/bin/sh', args: ['-c', ':'], env: withRun, input: EVENT }),
  };
}

export function status(one: Case): Subject {
  return plain('status', { ...command(one, 'status', '--json'), talks: true });
}

/** Takes a line as a turn, and says so. */
const LISTENER = `#!/bin/sh
stty -echo
mc-event idle </dev/null
while IFS= read -r line; do
  mc-event busy </dev/null
  mc-event idle </dev/null
done
`;

/** A text to an agent that waits for one; each run sends another. */
export async function sending(scratch: Scratch): Promise<Subject & { readonly one: Case }> {
  const script = join(scratch.dir, 'listener.sh');
  writeFileSync(script, LISTENER, { mode: 0o755 });
  const one = makeCase(scratch, 'send', 1, [script]);
  const ticket = await withBoard(one, (board) => addTicket(board, 'Listen'));
  program(one, 'dispatch');
  const run = await withBoard(one, async (board) => (await board.liveRuntime(ticket))?.id ?? '');
  const events = join(one.places.runs, run, 'events');
  let sent = 0;
  const idle = (): boolean =>
    readdirSync(events).filter((name) => name.startsWith('idle.')).length === sent + 1;
  return {
    one,
    name: 'send',
    ready: async () => {
      await waitFor(idle, 'the agent to be idle');
      sent++;
      return { ...command(one, 'send', ticket, `Message number ${sent}`, '--json'), talks: true };
    },
    done: () =>
      withBoard(one, async (board) => {
        const last = await board.lastDelivery({ run, kinds: ['send'] });
        if (last?.outcome !== 'delivered') throw new Error(`send: ${last?.outcome ?? 'nothing was sent'}`);
      }),
  };
}
