/** How each run of one real board came out, read by everything that tells of it: they must all say the same. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplesOf } from '../metrics/format.ts';
import { Rig } from '../support/rig.ts';
import { LIMITS, until } from '../support/sandbox.ts';

/** Does what the title of its ticket says, in place of a client. */
const SCRIPTED = `#!/bin/sh
notes=$MC_PICKUP_STATE_DIR/notes; mkdir -p $notes
echo "$MC_RUN_ID $$" >>$notes/$MC_TICKET_ID.started
case $1 in
fails) echo "out of luck" && exit 1 ;;
asks) mc-pickup report needs-input --message "Which colour?" && exit 0 ;;
limited)
  echo '{"session_id":"00000000-0000-4000-8000-000000000000","error":"rate_limit"}' | mc-event StopFailure
  echo said >$notes/$MC_TICKET_ID.limited
  exec sleep 600 ;;
esac
`;

type Case = readonly [id: string, reason: string, out: 'finished' | 'failed' | 'stopped' | 'ended'];

const rig = new Rig();
const told = join(rig.box.dir, 'told');
let cases: readonly Case[] = [];
const idOf = (reason: string): string => cases.find(([, one]) => one === reason)?.[0] ?? '';
const run = async (...args: string[]): Promise<string> => {
  const done = await rig.box.here(args);
  expect(done, done.err).toMatchObject({ code: 0 });
  return done.out;
};

beforeAll(async () => {
  const agent = join(rig.box.dir, 'agent.sh');
  writeFileSync(agent, SCRIPTED, { mode: 0o755 });
  const teller = join(rig.box.dir, 'tell.sh');
  writeFileSync(teller, `#!/bin/sh\ncat >>"${told}"\n`, { mode: 0o755 });
  const profile = (name: string, kind: string): string =>
    `[agent.${name}]\nkind = "${kind}"\nargv = [${JSON.stringify(agent)}, "${name}"]\n`;
  rig.configure({
    limits: LIMITS.replace(/^(retry_\w+) = .*$/gm, '$1 = 600'),
    more: `${profile('fails', 'command')}${profile('asks', 'command')}${profile('limited', 'claude')}
[[notify]]
on = ["needs_input", "in_review", "done", "blocked", "retry"]
command = { argv = [${JSON.stringify(teller)}] }
`,
  });
  const [well, killed, stopped, stays] = [
    rig.add('review'),
    rig.add('hold'),
    rig.add('hold'),
    rig.add('stay'),
  ];
  const [fails, asks, limited] = ['fails', 'asks', 'limited'].map((one) => rig.add(one, '--agent', one)) as [
    string,
    string,
    string,
  ];
  const foreign = rig.add('hold');
  await rig.tickHere();
  for (const id of [killed, stopped, foreign]) await rig.holding(id);
  await rig.settle(well, 'in_review');
  await rig.settle(stays, 'in_review');
  await rig.settle(asks, 'needs_input');
  await rig.holding(stays);
  await run('stop', stopped);
  await run('stop', stays);
  const { pid } = rig.run(limited);
  await rig.working(limited);
  expect(await until(() => rig.box.note(`${limited}.limited`) !== '')).toBe(true);
  for (const one of [rig.run(killed).pid, pid]) await rig.kill(one);
  for (const id of [well, asks, fails]) await rig.gone(rig.runs(id)[0]?.pid ?? 0);
  // Another program ends a run in its own words.
  await rig.kill(rig.run(foreign).pid);
  rig.box.sql("UPDATE tickets SET status = 'cancelled' WHERE id = ?", foreign);
  rig.box.sql(
    "UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = ?, end_reason = 'reverted' WHERE ticket_id = ?",
    Date.now(),
    foreign,
  );
  await rig.tickHere();
  cases = [
    [well, 'finished', 'finished'],
    [asks, 'finished', 'finished'],
    [fails, 'agent_exited', 'failed'],
    [killed, 'agent_killed', 'failed'],
    [stopped, 'stopped', 'stopped'],
    [stays, 'stopped', 'stopped'],
    [limited, 'rate_limited', 'stopped'],
    [foreign, 'reverted', 'ended'],
  ];
});
afterAll(() => rig.box.destroy());

describe('the same run is called the same', () => {
  it('on the board', () => {
    for (const [id, reason] of cases) expect(rig.runs(id), id).toMatchObject([{ end_reason: reason }]);
  });

  it('on the page', async () => {
    const page = await run('page', '--out', '-');
    for (const [id, reason, out] of cases) {
      const row = page.split('<tr>').find((one) => one.includes(`<bdi>${id}</bdi>`) && one.includes('<code'));
      expect(row, id).toMatch(new RegExp(`>${out}[^<]*: <code title="[^"]+">${reason}</code>`));
      expect(row?.includes('another program'), row).toBe(out === 'ended');
    }
    expect(page).toMatch(
      /8 runs in the last day: 2 finished, 2 failed,\s+3 stopped, 1 ended for a reason of another program, 0 live now/,
    );
    expect(page).toMatch(/<dt>Runs failed<\/dt><dd><b>2<\/b>/);
  });

  it('by explain, log, transcript and ticket show', async () => {
    for (const [id, reason, out] of cases) {
      const history = await run('explain', id);
      if (reason !== 'reverted') {
        const failed = /failed/.test(history);
        expect(failed, history).toBe(out === 'failed');
        expect(history).toContain(`[${reason}]`);
        expect(await run('log', '--ticket', id)).toContain(`[${reason}]`);
      }
      expect(await run('ticket', 'show', id)).toMatch(new RegExp(`^run .* ended \\(${out}[^)]*\\)`, 'm'));
    }
    expect(await run('transcript', idOf('agent_exited'))).toMatch(
      /ended (now|\S+ ago), failed: agent_exited/,
    );
  });

  it('by the metrics', async () => {
    const samples = samplesOf(await run('metrics')).filter(
      ({ name }) => name === 'mc_pickup_run_outcomes_last_day',
    );
    const count = (out: string): number =>
      samples.filter(({ labels }) => labels.outcome === out).reduce((sum, { value }) => sum + value, 0);
    expect(['finished', 'failed', 'stopped', 'ended'].map(count)).toEqual([2, 2, 3, 1]);
  });

  it('by status, in words and as JSON', async () => {
    const waits = JSON.parse(await run('status', '--json')) as { retries: { id: string }[]; live: unknown[] };
    expect(waits.live).toEqual([]);
    const again = cases.filter(([, , out]) => out === 'failed').map(([id]) => id);
    expect(
      waits.retries
        .map(({ id }) => id)
        .filter((id) => again.includes(id))
        .sort(),
    ).toEqual(again.sort());
    expect(await run('status')).not.toMatch(/failed/);
  });

  it('by notifications', () => {
    const lines = readFileSync(told, 'utf8')
      .split('\n')
      .filter(Boolean)
      .flatMap((line) => (JSON.parse(line) as { text: string }).text.split('\n'));
    for (const [id, reason, out] of cases) {
      const mine = lines.filter((line) => line.startsWith(`${id} `));
      expect(
        mine.some((line) => /failed/.test(line)),
        `${id} ${reason}: ${mine.join('; ')}`,
      ).toBe(out === 'failed');
    }
    expect(lines.find((line) => line.startsWith(`${idOf('rate_limited')} `))).toMatch(
      /is tried again: its account is limited/,
    );
  });
});

it('how many slots are taken is the same on the page, in status and in the metrics', async () => {
  const other = new Rig();
  try {
    const [works, settled, dead] = [other.add('hold'), other.add('stay'), other.add('hold')];
    other.tick();
    for (const id of [works, dead, settled]) await other.holding(id);
    await other.settle(settled, 'in_review');
    await other.kill(other.run(dead).pid);
    const out = async (...args: string[]): Promise<string> => (await other.box.here(args)).out;
    const { slots } = JSON.parse(await out('status', '--json')) as { slots: { used: number } };
    expect(slots.used).toBe(1);
    expect(await out('page', '--out', '-')).toMatch(/<dt>Agents at work<\/dt><dd><b>1<\/b>/);
    expect(samplesOf(await out('metrics')).find(({ name }) => name === 'mc_pickup_slots_used')?.value).toBe(
      1,
    );
  } finally {
    await other.box.destroy();
  }
});
