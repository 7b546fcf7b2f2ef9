/** Every command with `--json`, in a life of tickets: what the real program prints is what docs/json/ says. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PRINTED } from '../../scripts/schemas/json.ts';
import { examplesOf } from '../../src/cli/define.ts';
import { define } from '../../src/cli/index.ts';
import { fileCrontab } from '../support/crontab.ts';
import { PrintedCheck } from '../support/printed.ts';
import { HOLDING_HOOK, Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

const check = new PrintedCheck();
let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

/** Commands that print no JSON: a terminal of their own, a format of its own, or internal. */
const NO_JSON = new Set(['attach', 'completion', 'complete', 'register', 'metrics', 'pool']);
/** Looked at where there is a terminal: test/commands/config-edit.test.ts. */
const ELSEWHERE = new Set(['config edit']);

/** Runs a command with `--json`; what it prints must fit. `code`: null = any. */
async function json(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  code: number | null = 0,
): Promise<unknown> {
  // `status --check` is named by its option too.
  const named = PRINTED.flatMap(({ commands }) => commands).filter((command) => {
    const [words = '', option] = command.split(' --');
    return (
      `${args.join(' ')} `.startsWith(`${words} `) && (option === undefined || args.includes(`--${option}`))
    );
  });
  const name = named.sort((one, other) => other.length - one.length)[0];
  const done = await rig.box.here([...args, '--json'], '', env);
  if (code !== null) expect(done.code, `${args.join(' ')}: ${done.err}`).toBe(code);
  expect(check.faults(name ?? args.join(' '), done.out)).toEqual([]);
  return done.out.includes('\n{') ? done.out : JSON.parse(done.out === '' ? 'null' : done.out);
}

/** What a person looks at, whatever there is; `ids`: the tickets of which something new is to be told. */
async function lookAround(ids: readonly string[], broken = false): Promise<void> {
  await json(['status']);
  await json(['log', '--limit', '500']);
  if (!broken) await json(['agents']); // of a broken one none is in force
  await json(['ticket', 'list']);
  await json(['killswitch', 'status']);
  await json(['doctor'], {}, null);
  await json(['dispatch', '--dry-run'], {}, broken ? 78 : 0);
  for (const id of ids) {
    await json(['explain', id]);
    await json(['ticket', 'show', id]);
  }
}

function leaves(command: Command, words: readonly string[] = []): string[] {
  const below = command.commands.flatMap((one) => leaves(one, [...words, one.name()]));
  // `agents` does something itself and has a command below it.
  const acts = below.length === 0 || examplesOf(command).length > 0;
  return [...(acts && words.length > 0 ? [words.join(' ')] : []), ...below];
}
const program = new Command('mc-pickup');
define(program, async () => undefined);
const COMMANDS = leaves(program);

describe('what is printed with --json is what its schema says', () => {
  it('from the first setting up to an empty board', async () => {
    rmSync(join(rig.box.dir, 'config.toml'));
    await json(['config', 'path']);
    await json(['config', 'check'], {}, 78);
    await json(['init']);
    await json(['config', 'path']);
    await json(['config', 'check']);
    await json(['config', 'show']);
    await json(['config', 'show', '--defaults'], { MC_PICKUP_MAX_AGENTS: '2' });
    const here = process.cwd();
    process.chdir(rig.box.repo);
    try {
      await json(['init', '--project', '--trust'], {}, null);
    } finally {
      process.chdir(here);
    }
    await json(['dispatch']);
    await json(['reconcile']);
    await json(['status', '--check']);
    await json(['page', '--out', join(rig.box.dir, 'page.html')]);
    await lookAround([]);
    rig.configure({ more: '[[notify]]\ncommand = { argv = ["true"] }\n' });
    await json(['notify', 'test']);
  });

  it('through claims, questions, answers, reviews, failures, retries and blocks', async () => {
    rig.configure({ project: '', more: '\n[agent.claude]\nkind = "claude"\nfallback = "scripted"\n' });
    const [asks, dies, holds, reviews] = ['ask', 'die', 'hold', 'review'].map((word) => rig.add(word)) as [
      string,
      string,
      string,
      string,
    ];
    const first = [
      'ticket',
      'add',
      '--project',
      'demo',
      '--title',
      'Later',
      '--label',
      'x',
      '--depends-on',
      asks,
    ];
    const { id: later } = (await json(first)) as { id: string };
    const { id: foreign } = (await json(['ticket', 'add', '--title', 'Foreign', '--author', 'ann'])) as {
      id: string;
    };
    await json(['ticket', 'edit', later, '--priority', '1', '--owner', 'ann']);
    await json(['ticket', 'comment', later, 'Mind the gap.']);
    await lookAround([asks, later, foreign]);
    await json(['dispatch']);
    await rig.holding(holds);
    await rig.settle(asks, 'needs_input');
    await rig.settle(reviews, 'in_review');
    await lookAround([asks, holds, reviews]);
    const blocked = async () => {
      await json(['dispatch']);
      return rig.ticket(dies).status === 'blocked';
    };
    expect(await until(blocked)).toBe(true);
    await lookAround([dies]);
    await json(['ticket', 'move', dies, 'todo', '--why', 'once more']);
    await json(['answer', asks, 'Blue, please.']);
    await rig.settle(asks, 'in_review');
    await json(['report', 'needs-input', '--message', 'Which?'], { MC_RUN_ID: rig.run(holds).id });
    await json(['explain', holds]);
    await json(['reconcile']);
    await json(['stop', holds]);
    await json(['stop', holds, '--leftovers']);
    await json(['answer', holds, 'That one.']); // its agent is gone: kept
    await json(['ticket', 'move', holds, 'cancelled']);
    await json(['dispatch', '--max', '0']);
    await lookAround([asks, holds]);
    const tasks = join(rig.box.dir, 'plan.csv');
    writeFileSync(tasks, 'id,title,status,body\n1,First,,\n2,Second,done,\n3,,,\n');
    await json(['ticket', 'import', tasks, '--skip-bad', '--project', 'demo', '--dry-run']);
    await json(['ticket', 'import', tasks, '--skip-bad', '--project', 'demo']);
    writeFileSync(tasks, 'id,title,body\n1,First,More.\n');
    await json(['ticket', 'import', tasks, '--project', 'demo', '--update']);
    await json(['ticket', 'export']);
    await json(['ticket', 'export', join(rig.box.dir, 'tickets.csv'), '--format', 'csv']);
    const { file } = (await json(['backup'])) as { file: string };
    await json(['restore', file]);
    await json(['agents', 'ready', 'scripted']);
    await json(['log', '--ticket', asks]);
    rig.configure({ project: '[project.demo.review]\npush = true\nreviewer = "scripted"\n' });
    await json(['dispatch', '--dry-run']);
    await json(['ticket', 'publish', reviews], {}, 69); // there is no remote
    await lookAround([reviews]);
    await json(['ticket', 'rework', reviews, '--message', 'Once more.']);
    await json(['ticket', 'approve', asks, '--message', 'Fine.']);
    await json(['diff', asks]);
    await json(['ticket', 'merge', asks]);
    await json(['transcript', dies]);
    await json(['page', '--out', join(rig.box.dir, 'page.html')]);
    await json(['clean']);
    rig.box.sql("UPDATE tickets SET status = 'done', updated_at_ms = 1");
    await json(['clean', '--only', 'branches', '--only', 'worktrees']);
    await json(['clean', '--yes']);
  });

  it('of a text that is sent, of a split brain, of a killed agent, and of a lost server', async () => {
    const asks = rig.add('ask');
    await json(['dispatch']);
    await rig.settle(asks, 'needs_input');
    await json(['send', asks, 'Green.']);
    const id = rig.add('hold');
    await json(['dispatch']);
    await rig.holding(id);
    rig.box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
    await json(['explain', id]);
    await json(['reconcile', '--dry-run']);
    await json(['reconcile']);
    rig.lose(id);
    await json(['explain', id]);
    await json(['dispatch']);
    await rig.kill(rig.run(id).pid);
    await json(['explain', id]);
    await json(['dispatch', '--max', '0']);
    await json(['explain', id]);
    await rig.endAll();
    await json(['status']);
    await json(['dispatch']);
    await lookAround([id, asks]);
  });

  it('of a scheduler', async () => {
    const { HOME, ...rest } = rig.box.env;
    const env = { HOME, PATH: `${fileCrontab(join(rig.box.dir, 'bin'))}:${rest.PATH}` };
    await json(['init'], env);
    await json(['schedule', 'show', '--with', 'cron'], env);
    await json(['schedule', 'install', '--with', 'cron', '--dry-run'], env);
    await json(['schedule', 'install', '--with', 'cron', '--yes'], env);
    await json(['schedule', 'install', '--with', 'cron', '--yes'], env);
    await json(['schedule', 'show', '--with', 'cron'], env);
    await json(['schedule', 'remove', '--with', 'cron', '--yes'], env);
    await json(['doctor', '--as-cron'], env, null);
  });

  it('with the killswitch on, halted at the gate, beside another tick, and with a launch under way', async () => {
    const id = rig.add('hold');
    await json(['killswitch', 'on', '--reason', 'release', '--for', '2h']);
    await json(['dispatch']);
    await lookAround([id]);
    await json(['killswitch', 'on', '--level', 'all', '--scope', 'project:demo']);
    await json(['killswitch', 'on', '--level', 'all']);
    await json(['dispatch']);
    await json(['dispatch', '--dry-run']);
    await json(['status']);
    await json(['killswitch', 'off']);
    writeFileSync(join(rig.box.state, 'killswitch.json'), 'rubbish');
    await json(['killswitch', 'status']);
    await json(['dispatch']);
    await json(['killswitch', 'off']);
    rig.configure({ project: HOLDING_HOOK });
    const running = await rig.heldTick(id);
    await json(['dispatch']); // overlap
    await json(['explain', id]);
    await json(['status']);
    rig.letGo(id);
    const done = await running.done;
    expect(check.faults('dispatch', done.out)).toEqual([]);
  });

  it('with a configuration that is broken, and a tmux that does not answer', async () => {
    const id = rig.add('hold');
    await json(['dispatch']);
    await rig.holding(id);
    writeFileSync(join(rig.box.dir, 'config.toml'), '[limits]\nmax_agnets = 1\n');
    await json(['config', 'check'], { MC_PICKUP_MAX_AGENTS: 'x' }, 78);
    await json(['dispatch'], {}, 78);
    await json(['reconcile']);
    await lookAround([id], true);
    rig.configure({});
    const bin = join(rig.box.dir, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'tmux'), '#!/bin/sh\nexit 9\n', { mode: 0o700 });
    await json(['dispatch'], { PATH: `${bin}:${rig.box.env.PATH}` }, 69);
    await json(['dispatch', '--dry-run'], { PATH: `${bin}:${rig.box.env.PATH}` }, 69);
    await json(['explain', id], { PATH: `${bin}:${rig.box.env.PATH}` });
    await json(['doctor'], { PATH: `${bin}:${rig.box.env.PATH}` }, 78);
  });
});

it('every command that there is has a schema, and no schema is for a command that is not there', () => {
  const described = new Set(PRINTED.flatMap(({ commands }) => commands.map((one) => one.split(' --')[0])));
  expect([...described].sort()).toEqual(COMMANDS.filter((one) => !NO_JSON.has(one)).sort());
});

afterAll(() => {
  const described = PRINTED.flatMap(({ commands }) => commands).filter((one) => !ELSEWHERE.has(one));
  expect([...check.seen].sort(), 'a command whose output no test has looked at').toEqual(
    [...described].sort(),
  );
});
