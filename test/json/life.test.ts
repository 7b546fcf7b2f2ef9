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
function json(args: readonly string[], env: NodeJS.ProcessEnv = {}, code: number | null = 0): unknown {
  // `status --check` is named by its option too.
  const named = PRINTED.flatMap(({ commands }) => commands).filter((command) => {
    const [words = '', option] = command.split(' --');
    return (
      `${args.join(' ')} `.startsWith(`${words} `) && (option === undefined || args.includes(`--${option}`))
    );
  });
  const name = named.sort((one, other) => other.length - one.length)[0];
  const done = rig.box.run([...args, '--json'], '', env);
  if (code !== null) expect(done.code, `${args.join(' ')}: ${done.err}`).toBe(code);
  expect(check.faults(name ?? args.join(' '), done.out)).toEqual([]);
  return done.out.includes('\n{') ? done.out : JSON.parse(done.out === '' ? 'null' : done.out);
}

/** What a person looks at, whatever there is; `ids`: the tickets of which something new is to be told. */
function lookAround(ids: readonly string[], broken = false): void {
  json(['status']);
  json(['log', '--limit', '500']);
  json(['agents']);
  json(['ticket', 'list']);
  json(['killswitch', 'status']);
  json(['doctor'], {}, null);
  json(['dispatch', '--dry-run'], {}, broken ? 78 : 0);
  for (const id of ids) {
    json(['explain', id]);
    json(['ticket', 'show', id]);
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
  it('from the first setting up to an empty board', () => {
    rmSync(join(rig.box.dir, 'config.toml'));
    json(['config', 'path']);
    json(['config', 'check'], {}, 78);
    json(['init']);
    json(['config', 'path']);
    json(['config', 'check']);
    json(['config', 'show']);
    json(['config', 'show', '--defaults'], { MC_PICKUP_MAX_AGENTS: '2' });
    const here = process.cwd();
    process.chdir(rig.box.repo);
    try {
      json(['init', '--project', '--trust'], {}, null);
    } finally {
      process.chdir(here);
    }
    json(['dispatch']);
    json(['reconcile']);
    json(['status', '--check']);
    json(['page', '--out', join(rig.box.dir, 'page.html')]);
    lookAround([]);
    rig.configure({ more: '[[notify]]\ncommand = { argv = ["true"] }\n' });
    json(['notify', 'test']);
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
    const { id: later } = json(first) as { id: string };
    const { id: foreign } = json(['ticket', 'add', '--title', 'Foreign', '--author', 'ann']) as {
      id: string;
    };
    json(['ticket', 'edit', later, '--priority', '1', '--owner', 'ann']);
    json(['ticket', 'comment', later, 'Mind the gap.']);
    lookAround([asks, later, foreign]);
    json(['dispatch']);
    await rig.holding(holds);
    await rig.settle(asks, 'needs_input');
    await rig.settle(reviews, 'in_review');
    lookAround([asks, holds, reviews]);
    const blocked = () => {
      json(['dispatch']);
      return rig.ticket(dies).status === 'blocked';
    };
    expect(await until(blocked)).toBe(true);
    lookAround([dies]);
    json(['ticket', 'move', dies, 'todo', '--why', 'once more']);
    json(['answer', asks, 'Blue, please.']);
    await rig.settle(asks, 'in_review');
    json(['report', 'needs-input', '--message', 'Which?'], { MC_RUN_ID: rig.run(holds).id });
    json(['explain', holds]);
    json(['reconcile']);
    json(['stop', holds]);
    json(['stop', holds, '--leftovers']);
    json(['answer', holds, 'That one.']); // its agent is gone: kept
    json(['ticket', 'move', holds, 'cancelled']);
    json(['dispatch', '--max', '0']);
    lookAround([asks, holds]);
    const tasks = join(rig.box.dir, 'plan.csv');
    writeFileSync(tasks, 'id,title,status,body\n1,First,,\n2,Second,done,\n3,,,\n');
    json(['ticket', 'import', tasks, '--skip-bad', '--project', 'demo', '--dry-run']);
    json(['ticket', 'import', tasks, '--skip-bad', '--project', 'demo']);
    writeFileSync(tasks, 'id,title,body\n1,First,More.\n');
    json(['ticket', 'import', tasks, '--project', 'demo', '--update']);
    json(['ticket', 'export']);
    json(['ticket', 'export', join(rig.box.dir, 'tickets.csv'), '--format', 'csv']);
    const { file } = json(['backup']) as { file: string };
    json(['restore', file]);
    json(['agents', 'ready', 'scripted']);
    json(['log', '--ticket', asks]);
    rig.configure({ project: '[project.demo.review]\npush = true\nreviewer = "scripted"\n' });
    json(['dispatch', '--dry-run']);
    json(['ticket', 'publish', reviews], {}, 69); // there is no remote
    lookAround([reviews]);
    json(['ticket', 'rework', reviews, '--message', 'Once more.']);
    json(['ticket', 'approve', asks, '--message', 'Fine.']);
    json(['diff', asks]);
    json(['transcript', dies]);
    json(['page', '--out', join(rig.box.dir, 'page.html')]);
    json(['clean']);
    rig.box.sql("UPDATE tickets SET status = 'done', updated_at_ms = 1");
    json(['clean', '--only', 'branches', '--only', 'worktrees']);
    json(['clean', '--yes']);
  });

  it('of a text that is sent, of a split brain, of a killed agent, and of a lost server', async () => {
    const asks = rig.add('ask');
    json(['dispatch']);
    await rig.settle(asks, 'needs_input');
    json(['send', asks, 'Green.']);
    const id = rig.add('hold');
    json(['dispatch']);
    await rig.holding(id);
    rig.box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
    json(['explain', id]);
    json(['reconcile', '--dry-run']);
    json(['reconcile']);
    rig.lose(id);
    json(['explain', id]);
    json(['dispatch']);
    await rig.kill(rig.run(id).pid);
    json(['explain', id]);
    json(['dispatch', '--max', '0']);
    json(['explain', id]);
    await rig.endAll();
    json(['status']);
    json(['dispatch']);
    lookAround([id, asks]);
  });

  it('of a scheduler', () => {
    const { HOME, ...rest } = rig.box.env;
    const env = { HOME, PATH: `${fileCrontab(join(rig.box.dir, 'bin'))}:${rest.PATH}` };
    json(['init'], env);
    json(['schedule', 'show', '--with', 'cron'], env);
    json(['schedule', 'install', '--with', 'cron', '--dry-run'], env);
    json(['schedule', 'install', '--with', 'cron', '--yes'], env);
    json(['schedule', 'install', '--with', 'cron', '--yes'], env);
    json(['schedule', 'show', '--with', 'cron'], env);
    json(['schedule', 'remove', '--with', 'cron', '--yes'], env);
    json(['doctor', '--as-cron'], env, null);
  });

  it('with the killswitch on, halted at the gate, beside another tick, and with a launch under way', async () => {
    const id = rig.add('hold');
    json(['killswitch', 'on', '--reason', 'release', '--for', '2h']);
    json(['dispatch']);
    lookAround([id]);
    json(['killswitch', 'on', '--level', 'all', '--scope', 'project:demo']);
    json(['killswitch', 'on', '--level', 'all']);
    json(['dispatch']);
    json(['dispatch', '--dry-run']);
    json(['status']);
    json(['killswitch', 'off']);
    writeFileSync(join(rig.box.state, 'killswitch.json'), 'rubbish');
    json(['killswitch', 'status']);
    json(['dispatch']);
    json(['killswitch', 'off']);
    rig.configure({ project: HOLDING_HOOK });
    const running = await rig.heldTick(id);
    json(['dispatch']); // overlap
    json(['explain', id]);
    json(['status']);
    rig.letGo(id);
    const done = await running.done;
    expect(check.faults('dispatch', done.out)).toEqual([]);
  });

  it('with a configuration that is broken, and a tmux that does not answer', async () => {
    const id = rig.add('hold');
    json(['dispatch']);
    await rig.holding(id);
    writeFileSync(join(rig.box.dir, 'config.toml'), '[limits]\nmax_agnets = 1\n');
    json(['config', 'check'], { MC_PICKUP_MAX_AGENTS: 'x' }, 78);
    json(['dispatch'], {}, 78);
    json(['reconcile']);
    lookAround([id], true);
    rig.configure({});
    const bin = join(rig.box.dir, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'tmux'), '#!/bin/sh\nexit 9\n', { mode: 0o700 });
    json(['dispatch'], { PATH: `${bin}:${rig.box.env.PATH}` }, 69);
    json(['dispatch', '--dry-run'], { PATH: `${bin}:${rig.box.env.PATH}` }, 69);
    json(['explain', id], { PATH: `${bin}:${rig.box.env.PATH}` });
    json(['doctor'], { PATH: `${bin}:${rig.box.env.PATH}` }, 78);
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
