/** Processes outlive their tickets: how many live is bounded, and a client whose ticket is settled is asked to quit, and never signalled. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { Served } from '../support/mission-control/served.ts';
import { type Report, Rig, state } from '../support/rig.ts';
import { BIN, git, LIMITS, until } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';

const CLIENT = join(import.meta.dirname, '../support/at-prompt.sh');
const MINUTE = 60_000;

let rig: Rig;
let server: Served | undefined;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
  expect((await server?.destroy()) ?? []).toEqual([]);
  server = undefined;
});

function configure({ limits = '', profile = '', more = '' } = {}): void {
  rig.configure({
    // One tick may see two hours gone.
    limits: `${LIMITS}interval_seconds = 3600\n${limits}`,
    more: `\n[agent.real]\nkind = "claude"\nargv = [${JSON.stringify(CLIENT)}]\n${profile}${more}`,
  });
}

/** A tick that sees so much time gone. */
function tickAfter(ms: number): Report {
  rig.box.sql('UPDATE hosts SET mono_ms = mono_ms - ?', ms);
  return rig.tick();
}

/** Tickets whose clients have reported and are at their prompt, and of which all that they have shown so far was seen. */
async function settled(count = 1): Promise<string[]> {
  const ids = Array.from({ length: count }, () => rig.add('none', '--agent', 'real'));
  rig.tick();
  for (const id of ids) expect(await until(() => rig.box.note(`${id}.ready`) !== '')).toBe(true);
  expect(await until(() => rig.tick('reconcile').reconcile.length === 0 && ids.every(isSeen))).toBe(true);
  return ids;
}

function isSeen(id: string): boolean {
  const { silent_ms } = rig.run(id);
  return silent_ms > 0 && rig.ticket(id).status === 'in_review';
}

/** Keys that have reached a client. */
function keys(id: string): string[] {
  return rig.box.note(`${id}.keys`).split('\n').filter(Boolean);
}

const quits = ({ reconcile }: Report) => reconcile.filter(({ kind }) => kind === 'quit');
const stays = ({ skipped }: Report, id: string) => skipped.find(({ ticket }) => ticket === id);

it.each(['a file', 'a server'])(
  'on %s: a client at its prompt is asked to quit ten minutes after its report; a rework goes on with its session',
  async (board) => {
    if (board === 'a server') {
      await rig.box.destroy();
      server = await Served.start();
      rig = new Rig({ server });
    }
    configure();
    const [id = ''] = await settled();
    const { pid, id: run } = rig.run(id);
    expect(stays(tickAfter(5 * MINUTE), id)).toMatchObject({
      because: 'alive_though_settled',
      evidence: { status: 'in_review' },
    });
    expect(keys(id)).toEqual([]);
    expect(quits(tickAfter(6 * MINUTE))).toMatchObject([
      { ticket: id, run, because: 'settled_for_long', result: 'done', before: 'in_review', after: null },
    ]);
    await rig.gone(pid);
    expect(keys(id)).toEqual(['003', '003']);
    expect(rig.tick().reconcile[0]).toMatchObject({ kind: 'end', ticket: id, because: 'settled' });
    expect(rig.runs(id)).toMatchObject([{ id: run, end_reason: 'settled', exit_code: 0, exit_signal: null }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', attempts: 0 });

    expect(rig.box.run(['ticket', 'rework', id, '--message', 'Once more.'])).toMatchObject({ code: 0 });
    expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    expect(await until(() => rig.box.note(`${id}.began`).split('\n').length === 3)).toBe(true);
    const [first = '', second = ''] = rig.box.note(`${id}.began`).split('\n');
    expect(second).toBe(first.replace('--session-id', '--resume'));
  },
);

it('a settled client stays while somebody is attached, its pane is scrolled back, a text stands in its composer, or it works in the background', async () => {
  configure();
  const [id = ''] = await settled();
  const { pid, tmux_pane } = rig.run(id);
  const late = () => tickAfter(11 * MINUTE);
  const pane = ['-t', tmux_pane];
  const says = async (what: string) => {
    let report = late();
    expect(
      await until(() => {
        report = late();
        return JSON.stringify(stays(report, id)?.evidence).includes(what);
      }),
      JSON.stringify(report),
    ).toBe(true);
    expect(quits(report)).toEqual([]);
  };
  rig.box.tmux('copy-mode', ...pane);
  await says('in_a_mode');
  rig.box.tmux('copy-mode', '-q', ...pane);
  rig.box.tmux('send-keys', ...pane, 'x');
  expect(await until(() => keys(id).length === 1)).toBe(true);
  await says('text_in_composer');
  rig.box.tmux('send-keys', ...pane, 'C-c');
  expect(await until(() => keys(id).length === 2)).toBe(true);
  const terminal = new Terminal(rig.box.env, 80, 24);
  try {
    terminal.type(`unset TMUX; ${process.execPath} ${BIN} attach ${id}`);
    await terminal.shows(/\[MC-1-e1/);
    await says('attached');
  } finally {
    terminal.close();
  }
  const works = join(rig.box.dir, 'home', '.claude', 'sessions', `${pid}.json`);
  const idle = readFileSync(works, 'utf8');
  writeFileSync(works, idle.replace('idle', 'shell'));
  for (let n = 0; n < 3; n++) expect(quits(late())).toEqual([]);
  expect(keys(id)).toEqual(['170', '003']);
  writeFileSync(works, idle);
  expect(await until(() => quits(late())[0]?.result === 'done')).toBe(true);
  await rig.gone(pid);
});

it('a tick that is killed between its note and the keys has pressed none: the next one asks, and a client that dies of itself meanwhile is no failure', async () => {
  configure();
  const [id = '', other = ''] = await settled(2);
  const [{ pid }, { pid: died }] = [rig.run(id), rig.run(other)];
  rig.box.sql('UPDATE hosts SET mono_ms = mono_ms - ?', 11 * MINUTE);
  for (const n of [1, 2]) {
    const once = join(rig.box.dir, `hit-${n}`);
    const env = { MC_PICKUP_FAILPOINT: `quit-asked:kill:${once}` };
    expect((await rig.box.begin(['dispatch', '--json'], env, FAIL_BIN).done).code).toBe(null);
  }
  expect([keys(id), keys(other)]).toEqual([[], []]);
  await rig.kill(died);
  const report = rig.tick();
  expect(quits(report)).toMatchObject([{ ticket: id, result: 'done' }]);
  await rig.gone(pid);
  expect(keys(id)).toEqual(['003', '003']);
  rig.tick();
  for (const one of [id, other]) expect(rig.ticket(one)).toMatchObject({ status: 'in_review', attempts: 0 });
  expect(rig.runs(id)).toMatchObject([{ end_reason: 'settled' }]);
});

it('one that does not quit is asked once, shown and left: no signal', async () => {
  configure();
  const [id = ''] = await settled();
  rig.box.signal(`${id}.stubborn`);
  const asked = tickAfter(11 * MINUTE);
  expect(asked.code).toBe(0);
  expect(quits(asked)).toMatchObject([{ ticket: id, result: 'declined' }]);
  expect(quits(asked)[0]?.error).toContain(`mc-pickup stop ${id}`);
  expect(await until(() => keys(id).length === 2)).toBe(true);
  const next = tickAfter(11 * MINUTE);
  expect(quits(next)).toEqual([]);
  expect(stays(next, id)?.evidence).toMatchObject({ stays: 'did_not_quit' });
  expect(rig.box.run(['log', '--ticket', id]).out).toContain('lives on');
  expect([state(rig.run(id).pid), keys(id)]).toEqual(['S', ['003', '003']]);
});

it('`settled = "keep"` keeps it, of all or of a profile', async () => {
  configure({ limits: 'settled = "keep"\n' });
  const [id = ''] = await settled();
  expect(quits(tickAfter(11 * MINUTE))).toEqual([]);
  configure({ profile: 'settled = "keep"\n' });
  expect(quits(tickAfter(11 * MINUTE))).toEqual([]);
  expect(keys(id)).toEqual([]);
  configure({ limits: 'settled = "keep"\n', profile: 'settled = "end"\n' });
  expect(quits(tickAfter(11 * MINUTE))).toMatchObject([{ ticket: id, result: 'done' }]);
});

it('all that live are bounded, and one settled client gives way to each launch (nine lived under "7 of 8")', async () => {
  configure({ limits: 'max_living = 3\n' });
  const ids = await settled(2);
  const asks = rig.add('ask');
  rig.tick();
  await rig.settle(asks, 'needs_input');
  const next = rig.add('hold');
  const full = rig.tick();
  expect(full.dispatch).toEqual([]);
  expect(stays(full, next)).toMatchObject({
    because: 'living_limit',
    evidence: { living: 3, max_living: 3 },
  });
  expect(quits(full)).toMatchObject([{ because: 'launch_waits', result: 'done' }]);
  const [quit = ''] = quits(full).map(({ ticket }) => ticket ?? '');
  expect(ids).toContain(quit);
  const after = rig.tick();
  expect(after.reconcile).toContainEqual(expect.objectContaining({ kind: 'end', ticket: quit }));
  expect(after.dispatch).toMatchObject([{ ticket: next, result: 'launched' }]);
  expect(ids.filter((id) => rig.live(id) !== undefined)).toHaveLength(1);
  const status = JSON.parse(rig.box.run(['status', '--json']).out) as { slots: { living: object } };
  expect(status.slots).toMatchObject({ used: 1, max: 8, living: { used: 3, max: 3 } });
});

it('a program of its own is asked by Ctrl-C once it has been without output; before, nothing is pressed', async () => {
  configure();
  const id = rig.add('stay');
  rig.tick();
  await rig.settle(id, 'in_review');
  await rig.holding(id);
  const { pid } = rig.run(id);
  expect(await until(() => rig.tick().reconcile.length === 0 && rig.run(id).silent_ms > 0)).toBe(true);
  expect(quits(tickAfter(5 * MINUTE))).toEqual([]);
  rig.box.sql("UPDATE tickets SET status = 'done', version = version + 1 WHERE id = ?", id);
  expect(quits(tickAfter(6 * MINUTE))).toMatchObject([{ ticket: id, result: 'done' }]);
  await rig.gone(pid);
  expect(rig.tick().reconcile[0]).toMatchObject({ kind: 'end', because: 'settled' });
  expect(rig.ticket(id).status).toBe('done');
});

it('a client stays until the tip of its branch is out', async () => {
  configure({ more: '\n[project.demo.review]\npush = true\n' });
  const [id = ''] = await settled();
  const late = tickAfter(11 * MINUTE); // there is no such remote
  expect(stays(late, id)?.evidence).toMatchObject({ stays: 'not_published' });
  const remote = join(rig.box.dir, 'remote.git');
  git(rig.box, 'init', '-q', '--bare', remote);
  git(rig.box, 'remote', 'add', 'origin', remote);
  rig.box.sql('UPDATE reviews SET next_at_ms = 0');
  expect(
    await until(() => {
      const report = tickAfter(11 * MINUTE);
      return quits(report)[0]?.result === 'done';
    }),
  ).toBe(true);
  expect(git(rig.box, 'ls-remote', 'origin')).toContain('refs/heads/mc/');
});
