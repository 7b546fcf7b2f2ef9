/** Each client from npm, in real tmux, driven by the real program, with a stub on loopback in place of its model. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { adapterOf } from '../../src/agents/index.ts';
import { type RealKind, START_MS } from '../support/clients/rig.ts';
import { type Limits, MARK, withClients } from '../support/clients/scenario.ts';
import { waitFor } from '../support/wait.ts';

const LIMITS_OF: Limits = {};

/** An error of the API that ends a turn. On HTTP 500 Gemini CLI tries again by itself without an end (seen: more than 40
 *  times in three and a half minutes), and says that it works. */
const LASTING: Readonly<Record<RealKind, number>> = { claude: 500, codex: 500, opencode: 500, gemini: 400 };

/** What a client shows after the Escape of a person who interrupts it, where it wants to be told twice. */
const ASKS_AGAIN: Readonly<Partial<Record<RealKind, string>>> = { opencode: 'esc again to interrupt' };

withClients(LIMITS_OF, ({ kind, scenario, open, live, launched, began }) => {
  scenario('start and first prompt, exact and once', async () => {
    const one = await open();
    const id = await launched(one, `${MARK}\n  "quotes" $HOME \`id\` é\n[[say all done]]`);
    const prompt = readFileSync(join(one.box.state, 'runs', live(one, id).mark, 'prompt.md'), 'utf8');
    expect(one.prompts(MARK).map((text) => text.trim())).toEqual([prompt.trim()]);
    await one.ticking(() => live(one, id).turn === 1, 'the turn');
    expect(one.ticket(id).status).toBe('in_progress');
    expect(one.prompts(MARK)).toHaveLength(1);
    expect(live(one, id).client_session).not.toBeNull();
  });

  scenario('the transcript tells the prompt, and what the client said and did', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(one, `${MARK}\n[[shell echo of-the-tool]]\n[[say words-of-the-answer]]`);
    const turns = async () =>
      (await one.run('transcript', id, '--json')).out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { at_ms: number | null; who: string; text: string });
    await waitFor(async () => (await turns()).some(({ who }) => who === 'tool'), 'the tool', START_MS[kind]);
    const all = await turns();
    expect(all.find(({ who }) => who === 'user')?.text).toContain(MARK);
    expect(all.find(({ who }) => who === 'tool')?.text).toContain('of-the-tool');
    for (const { at_ms } of all) expect(Math.abs(Date.now() - (at_ms ?? 0))).toBeLessThan(300_000);
  });

  scenario('busy: nothing is sent into a turn', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(one, `${MARK} [[hold turn]]`);
    await waitFor(() => one.stub.brain.held.has('turn'), 'the turn');
    await one.ticking(() => live(one, id).activity === 'busy', 'busy');
    const sent = await one.run('send', id, 'not-now-marker');
    expect(sent.code).toBe(75);
    expect(sent.err).toContain('RuntimeBusyError');
    expect(one.ticket(id).status).toBe('in_progress');
    one.stub.brain.release('turn');
    await one.untilStatus(id, 'needs_input', 60_000);
    expect(one.prompts('not-now-marker')).toEqual([]); // refused, not queued
    expect(await one.run('send', id, 'not-now-marker')).toMatchObject({ code: 0, err: '' });
    await waitFor(() => one.prompts('not-now-marker').length > 0, 'the text at the model');
    await one.untilStatus(id, 'needs_input', 60_000);
    expect(one.prompts('not-now-marker')).toHaveLength(1);
  });

  scenario('idle without a report: nudged, then a person is asked', async () => {
    const one = await open('max_nudges = 1');
    const id = await launched(one, `${MARK} [[say that is all]]`);
    const row = await one.untilStatus(id, 'needs_input', 60_000);
    expect(row.reason).toBe('idle_without_report');
    expect(one.prompts('reminder 1'), one.log(id)).toHaveLength(1);
    expect(one.prompts('reminder')).toHaveLength(1);
  });

  scenario('permission asked, allowed by a person, and the report', async () => {
    const one = await open();
    const id = await launched(
      one,
      `${MARK} [[shell $MC_PICKUP_STATE_DIR/bin/mc-pickup report review --message finished]]`,
    );
    const row = await one.untilStatus(id, 'needs_input', 60_000);
    expect(row.reason).toBe('agent_waiting');
    expect(row.reason_text).toContain('mc-pickup report review');
    const typed = await one.run('send', id, 'hello');
    expect(typed.code).toBe(75); // Enter would answer the dialog
    const allowed = await one.run('answer', id, '--allow');
    expect(allowed).toMatchObject({ code: 0, err: '' });
    await waitFor(() => one.ticket(id).status === 'in_review', 'the report');
    expect(one.ticket(id).reason_text).toBe('finished');
    expect(one.prompts('hello')).toEqual([]);
  });

  scenario('permission denied by a person: nothing is run', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(one, `${MARK} [[shell touch denied-file]]`);
    await one.untilStatus(id, 'needs_input', 60_000);
    const denied = await one.run('answer', id, '--deny');
    expect(denied).toMatchObject({ code: 0, err: '' });
    expect(one.box.sql("SELECT outcome FROM deliveries WHERE kind = 'permission'")).toEqual([
      { outcome: 'delivered' },
    ]);
    await one.ticking(() => ['idle', 'busy'].includes(live(one, id).activity), 'the dialog to close');
    const again = await one.run('answer', id, '--allow');
    expect(again.code).toBe(75); // no dialog is open any more: nothing is pressed
    expect(existsSync(join(one.box.state, 'worktrees', 'demo', id, 'denied-file'))).toBe(false);
  });

  scenario('a question by report, a long answer, exactly once', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(
      one,
      `${MARK} [[shell $MC_PICKUP_STATE_DIR/bin/mc-pickup report needs-input --message "Which colour?"]]`,
    );
    await one.untilStatus(id, 'needs_input', 60_000);
    expect(await one.run('answer', id, '--allow')).toMatchObject({ code: 0 });
    await waitFor(() => one.ticket(id).reason === 'asked', 'the question');
    expect(one.ticket(id).reason_text).toBe('Which colour?');
    const lines = Array.from(
      { length: 200 },
      (_, n) => `line ${n} of the answer, with some words to make it long`,
    );
    const text = `!touch Blue-answer-marker\u001b[201~\u0007\n${lines.join('\n')}\nend-of-answer`;
    expect(Buffer.byteLength(text)).toBeGreaterThan(10_240);
    const answered = await waitFor(async () => {
      const done = await one.run('answer', id, text);
      return done.code === 75 ? null : done;
    }, 'the agent to be idle');
    expect(answered).toMatchObject({ code: 0, err: '' });
    expect(answered.out).toContain('delivered');
    await waitFor(() => one.prompts('Blue-answer-marker').length > 0, 'the answer at the model');
    const got = one.prompts('Blue-answer-marker');
    expect(got).toHaveLength(1);
    expect(got[0]).toContain('end-of-answer');
    expect(got[0]).toContain(lines.join('\n'));
    expect(got[0]).not.toMatch(/[\u001b\u0007]/);
    await one.ticking(() => one.ticket(id).reason !== 'asked', 'the question to be over');
    expect(existsSync(join(one.box.state, 'worktrees', 'demo', id, 'Blue-answer-marker'))).toBe(false);
    expect(one.box.sql("SELECT outcome FROM deliveries WHERE kind = 'answer'")).toEqual([
      { outcome: 'delivered' },
    ]);
  });

  scenario('an answer to an agent that died is kept for the next attempt', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(one, `${MARK} [[say what now]]`);
    await one.untilStatus(id, 'needs_input', 60_000);
    process.kill(live(one, id).pid, 'SIGKILL');
    await waitFor(
      async () => (await one.run('answer', id, 'kept-answer-marker')).out.includes('kept'),
      'the answer',
    );
    expect(one.ticket(id).status).toBe('todo');
    await one.tick();
    await began(one, id, 'kept-answer-marker', 1);
    expect(one.prompts('kept-answer-marker')).toHaveLength(1);
  });

  scenario('sent before the client is ready: refused, nothing lost', async () => {
    const one = await open('max_nudges = 0');
    const id = one.add(`${MARK} [[hold first]]`);
    expect((await one.tick()).code).toBe(0);
    const early = await one.run('send', id, 'too-early-marker');
    expect([69, 75]).toContain(early.code);
    await began(one, id, MARK, 1);
    one.stub.brain.release('first');
    await one.untilStatus(id, 'needs_input', 60_000);
    expect(one.prompts('too-early-marker')).toEqual([]);
    expect(one.prompts(MARK)).toHaveLength(1);
  });

  scenario('rate limit: the account waits for the reset, no attempt is spent', async () => {
    const one = await open();
    const reset = Math.round(Date.now() / 1000) + 3600;
    const id = await launched(one, `${MARK} [[fail 429 reset ${reset}]]`);
    const account = () =>
      one.box.sql<{ not_before_at_ms: number }>('SELECT not_before_at_ms FROM accounts')[0]?.not_before_at_ms;
    // Some round up; none may be early.
    await one.ticking(() => (account() ?? 0) >= reset * 1000, 'the limit');
    expect(account()).toBeLessThan(reset * 1000 + 120_000);
    expect(one.ticket(id)).toMatchObject({ attempts: 0 });
    expect(['in_progress', 'todo']).toContain(one.ticket(id).status);
    const second = one.add('second ticket');
    expect((await one.tick('--json')).out).toContain('account_limited');
    expect(one.ticket(second).status).toBe('todo');
    expect(one.prompts('reminder')).toEqual([]);
  });

  scenario('rate limit over: the same agent goes on, or a person is asked to close its dialog', async () => {
    const one = await open();
    const id = await launched(one, `${MARK} [[fail 429 reset +10 times 1]]`);
    const first = live(one, id);
    const wentOn = () => one.stub.brain.acts.some(({ kind: act }) => act === 'say');
    await one.ticking(() => wentOn() || one.ticket(id).reason === 'agent_waiting', 'the agent to go on');
    expect(live(one, id).id).toBe(first.id);
    expect(one.ticket(id).attempts).toBe(0);
    expect(one.prompts('The limit that stopped you is over').length).toBeLessThan(2);
  });

  scenario('API error: the turn ends, and is taken up again by a nudge', async () => {
    const one = await open('max_nudges = 1');
    const id = await launched(one, `${MARK} [[fail ${LASTING[kind]}]]`);
    await one.ticking(() => one.prompts('reminder 1').length === 1, 'the nudge');
    expect(one.ticket(id).attempts).toBe(0);
  });

  scenario('crash, and the session goes on in the next attempt', async () => {
    const one = await open();
    const id = await launched(one, `${MARK} [[say first turn]] `);
    await one.ticking(() => live(one, id).turn >= 1 && live(one, id).client_session !== null, 'a turn');
    const first = live(one, id);
    await one.ticking(() => live(one, id).activity === 'idle' || one.prompts('reminder').length > 0, 'idle');
    process.kill(first.pid, 'SIGKILL');
    const next = () => one.live(id) !== undefined && one.live(id)?.id !== first.id;
    await one.ticking(next, 'the next attempt');
    await began(one, id, 'You have worked on this in this very session', 1);
    expect(live(one, id).resumed).toBe(first.client_session);
    expect(one.box.sql('SELECT exit_signal FROM runtime_sessions WHERE id = ?', first.id)).toEqual([
      { exit_signal: 9 },
    ]);
    expect(one.ticket(id).attempts).toBe(1);
    expect(one.prompts('You have worked on this in this very session')).toHaveLength(1);
  });

  scenario('headless: the turn ends with the process, output kept', async () => {
    const one = await open('mode = "headless"\non_idle = "needs_input"');
    const id = await launched(one, `${MARK} [[say headless answer]]`);
    const row = await one.untilStatus(id, 'needs_input', 90_000);
    expect(row.reason).toBe('finished_without_report');
    const mark = one.box.sql<{ mark: string }>('SELECT mark FROM runtime_sessions')[0]?.mark ?? '';
    expect(readFileSync(join(one.box.state, 'own', mark, 'output.log'), 'utf8')).toContain('headless answer');
    expect(one.prompts(MARK)).toHaveLength(1);
  });

  scenario('use is counted', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(one, `${MARK} [[say some words]]`);
    await one.untilStatus(id, 'needs_input', 60_000);
    const rows = () => one.box.sql<{ output_tokens: number; turns: number }>('SELECT * FROM usage');
    await one.ticking(() => (rows()[0]?.output_tokens ?? 0) > 0, 'use');
    expect(rows()).toHaveLength(1);
    expect((await one.run('agents')).out).toContain('tokens');
  });

  scenario('a person interrupts the turn at the terminal: idle, though no hook may tell', async () => {
    const one = await open('on_idle = "needs_input"');
    const id = await launched(one, `${MARK} [[hold turn]]`);
    await waitFor(() => one.stub.brain.held.has('turn'), 'the turn');
    await one.ticking(() => live(one, id).activity === 'busy', 'busy');
    one.keys(id, 'Escape');
    const again = ASKS_AGAIN[kind];
    if (again !== undefined) {
      await waitFor(() => one.screen(id).includes(again), again);
      one.keys(id, 'Escape');
    }
    const row = await one.untilStatus(id, 'needs_input', 60_000);
    expect(row.reason).toBe('idle_without_report');
    expect(one.prompts(MARK)).toHaveLength(1);
  });

  scenario(
    'kill -9 while a tool runs: one attempt more, one agent, and what the tool left blocks nothing',
    async () => {
      const one = await open();
      const id = await launched(one, `${MARK} [[shell echo begun >begun; sleep 300]]`);
      await one.untilStatus(id, 'needs_input', 60_000);
      one.keys(id, ...(adapterOf(kind).permission?.allow ?? [])); // a person who has attached
      const begun = join(one.box.state, 'worktrees', 'demo', id, 'begun');
      await waitFor(() => existsSync(begun), 'the tool');
      await one.ticking(() => one.ticket(id).status === 'in_progress', 'in_progress');
      const first = live(one, id);
      process.kill(first.pid, 'SIGKILL');
      const next = () => one.live(id) !== undefined && one.live(id)?.id !== first.id;
      await one.ticking(next, 'the next attempt');
      expect(one.ticket(id)).toMatchObject({ attempts: 1 });
      expect(one.box.sql('SELECT id FROM runtime_sessions WHERE ended_at_ms IS NULL')).toHaveLength(1);
    },
  );

  scenario(
    'a client that cannot work: the profile is not ready, with what to do; tickets are not tried in turn',
    async () => {
      let says = '';
      const one = await open('', (client, setup) => {
        says = client.unready(setup);
      });
      const id = one.add('first');
      await one.tick();
      const account = () =>
        one.box.sql<{ not_ready: string | null }>('SELECT not_ready FROM accounts')[0]?.not_ready ?? '';
      await one.ticking(() => account() !== '', 'the profile to be not ready');
      expect(account()).toContain(says);
      const second = one.add('second');
      expect((await one.tick('--json')).out).toContain('profile_not_ready');
      expect(one.ticket(second)).toMatchObject({ status: 'todo', attempts: 0 });
      expect(one.ticket(id).attempts).toBe(0);
      expect((await one.run('agents')).out).toContain('NOT READY');
      expect(one.stub.brain.prompts).toEqual([]);
    },
  );

  scenario('settled: the client quits by its own keys, and a rework goes on with its session', async () => {
    const one = await open('on_idle = "review"');
    const id = await launched(one, `${MARK} [[say all done]]`);
    await one.untilStatus(id, 'in_review', 60_000);
    const first = live(one, id);
    await one.ticking(() => {
      one.box.sql('UPDATE runtime_sessions SET silent_ms = 600000 WHERE ended_at_ms IS NULL'); // ten minutes
      return one.live(id) === undefined;
    }, 'its client to quit');
    expect(one.box.sql('SELECT end_reason, exit_code FROM runtime_sessions WHERE id = ?', first.id)).toEqual([
      { end_reason: 'settled', exit_code: 0 },
    ]);
    expect(one.processes(first.mark)).toEqual([]);
    expect(one.ticket(id)).toMatchObject({ status: 'in_review', attempts: 0 });
    expect(await one.run('ticket', 'rework', id, '--message', 'once-more-marker')).toMatchObject({
      code: 0,
    });
    await one.ticking(() => one.live(id) !== undefined, 'the rework');
    await began(one, id, 'once-more-marker', 1);
    expect(live(one, id).resumed).toBe(first.client_session);
  });

  scenario('stop ends all of it', async () => {
    const one = await open();
    const id = await launched(one, `${MARK} [[shell echo begun >begun; sleep 300]]`);
    await one.untilStatus(id, 'needs_input', 60_000);
    expect(await one.run('answer', id, '--allow')).toMatchObject({ code: 0 });
    const begun = join(one.box.state, 'worktrees', 'demo', id, 'begun');
    await waitFor(() => existsSync(begun), 'the tool');
    const { mark } = live(one, id);
    expect(one.processes(mark).length).toBeGreaterThan(1);
    expect(await one.run('stop', id, '--grace', '3')).toMatchObject({ code: 0 });
    expect(one.ticket(id).status).toBe('needs_input');
    expect(one.processes(mark)).toEqual([]);
  });
});
