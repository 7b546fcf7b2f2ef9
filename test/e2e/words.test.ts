/** A person's words belong to the ticket: every attempt is told what no run has honoured yet. Real agents, real tmux. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { type Ran, until } from '../support/sandbox.ts';

/** Does the first line of this file that is left, each time it is started: in order, the attempts of one ticket. */
const SCRIPTED = `#!/bin/sh
notes=$MC_PICKUP_STATE_DIR/notes; mkdir -p $notes
echo "$MC_RUN_ID $$" >>$notes/$MC_TICKET_ID.started
n=$(grep -c . $notes/$MC_TICKET_ID.started)
hear() { IFS= read -r line; echo "$line" >>$notes/heard; }
ask() { mc-pickup report needs-input --message "Which colour?"; mc-event idle </dev/null; }
case $(sed -n "$n"p $notes/script) in
hears) mc-event idle </dev/null; hear; mc-event busy </dev/null; : >$notes/working; exec sleep 600 ;;
ends) mc-event idle </dev/null; hear; mc-event busy </dev/null; mc-event idle </dev/null; : >$notes/working; exec sleep 600 ;;
deaf) mc-event idle </dev/null; hear; : >$notes/working; exec sleep 600 ;;
asked) ask; hear; : >$notes/working; exec sleep 600 ;;
taken) ask; hear; mc-event busy </dev/null; : >$notes/working; exec sleep 600 ;;
twice) ask; hear; mc-pickup report needs-input --message "And which shape?"; exit 0 ;;
reads) mc-event busy </dev/null; : >$notes/working; exec sleep 600 ;;
obeys) mc-event idle </dev/null; hear; mc-pickup report review --message "Done." && exec sleep 600 ;;
asks) mc-pickup report needs-input --message "Which colour?" && exit 0 ;;
*) mc-pickup report review --message "Done." && exit 0 ;;
esac
`;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  const file = join(rig.box.dir, 'agent.sh');
  writeFileSync(file, SCRIPTED, { mode: 0o755 });
  rig.configure({ more: `[agent.listens]\nkind = "command"\nargv = [${JSON.stringify(file)}]\n` });
});
afterEach(() => rig.box.destroy());

function add(...script: string[]): string {
  const id = rig.add('x', '--agent', 'listens');
  rig.box.signal('script');
  writeFileSync(join(rig.box.state, 'notes', 'script'), script.map((one) => `${one}\n`).join(''));
  return id;
}

/** Delivers an answer to the living agent as soon as it is idle. */
async function answer(id: string, text: string): Promise<string> {
  let done: Ran = { code: null, out: '', err: '' };
  await until(async () => {
    done = await rig.box.here(['answer', id, text, '--json']);
    return done.code !== 75;
  });
  const { outcome } = JSON.parse(done.out) as { outcome: string };
  expect(done.code, done.err).toBe(outcome === 'indeterminate' ? 4 : 0);
  return outcome;
}

const working = () => until(() => existsSync(join(rig.box.state, 'notes', 'working')));

/** Ends the agent as a crash does, and waits for the prompt of the attempt after it. */
async function nextPrompt(id: string): Promise<string> {
  const before = rig.runs(id).length;
  const { pid } = rig.run(id);
  process.kill(pid, 'SIGKILL');
  await rig.gone(pid);
  await rig.ticksUntilStarted(id, before + 1);
  const { mark } = rig.runs(id).at(-1) ?? { mark: '' };
  return readFileSync(join(rig.box.state, 'runs', mark, 'prompt.md'), 'utf8');
}

const owed = () =>
  rig.box.sql<{ text: string }>('SELECT text FROM answers WHERE honoured_by IS NULL').map(({ text }) => text);

it('an answer that the agent has, and dies before its turn ends, is in the next prompts until a run reports', async () => {
  const id = add('hears', 'reads', 'done', 'done');
  await rig.ticksUntilStarted(id, 1);
  expect(await answer(id, 'Blue, please.')).toBe('delivered');
  expect(await working()).toBe(true);
  await rig.tickHere();
  expect(await nextPrompt(id)).toMatch(/<<<answer \w+\nBlue, please\.\n/);
  await rig.tickHere();
  const third = await nextPrompt(id);
  expect(third).toContain('Blue, please.');
  expect(third).not.toContain('may have reached');
  await rig.settle(id, 'in_review');
  expect(owed()).toEqual([]);
  const explained = JSON.parse((await rig.box.here(['explain', id, '--json'])).out) as {
    words: { honoured_by: string; had: { run_id: string; outcome: string }[] }[];
  };
  const runs = rig.runs(id).map((one) => one.id);
  expect(explained.words).toMatchObject([
    {
      honoured_by: runs[2],
      had: [
        { run_id: runs[0], outcome: 'delivered' },
        { run_id: runs[1], outcome: 'prompt' },
        { run_id: runs[2], outcome: 'prompt' },
      ],
    },
  ]);
  expect((await rig.box.here(['explain', id])).out).toContain(`honoured by ${runs[2]}`);
  await rig.gone(rig.runs(id)[2]?.pid ?? 0);
  await rig.tickHere();
  expect((await rig.box.here(['ticket', 'rework', id, '--message', 'A test is missing.'])).code).toBe(0);
  await rig.ticksUntilStarted(id, 4);
  const mark = rig.runs(id)[3]?.mark ?? '';
  const last = readFileSync(join(rig.box.state, 'runs', mark, 'prompt.md'), 'utf8');
  expect(last).toContain('A test is missing.');
  expect(last).not.toContain('Blue, please.\n');
});

it('a turn that ends with the words honours them', async () => {
  const id = add('ends', 'reads');
  await rig.ticksUntilStarted(id, 1);
  expect(await answer(id, 'Blue, please.')).toBe('delivered');
  const honoured = await until(async () => {
    await rig.tickHere();
    return owed().length === 0;
  });
  expect(honoured).toBe(true);
  // Its turn has ended without a report: the work waits for a person, who wants another attempt.
  expect((await rig.box.here(['stop', id, '--grace', '0'])).code).toBe(0);
  expect((await rig.box.here(['ticket', 'move', id, 'todo'])).code).toBe(0);
  await rig.ticksUntilStarted(id, 2);
  const mark = rig.runs(id)[1]?.mark ?? '';
  expect(readFileSync(join(rig.box.state, 'runs', mark, 'prompt.md'), 'utf8')).not.toContain('<<<answer');
});

it('words that may have arrived are in the next prompt, and marked', async () => {
  const id = add('deaf', 'reads');
  await rig.ticksUntilStarted(id, 1);
  expect(await answer(id, 'Blue, please.')).toBe('indeterminate');
  expect(await working()).toBe(true);
  expect(await nextPrompt(id)).toMatch(
    /may have reached an earlier attempt\.\)\n<<<answer \w+\nBlue, please/,
  );
  await rig.tickHere();
  // It is certain now.
  expect(owed()).toEqual(['Blue, please.']);
});

it.each([
  ['asked', 'indeterminate', 'needs_input'],
  ['taken', 'delivered', 'in_progress'],
])(
  'an answer to a question (%s), and its agent dies before any tick looks: the next attempt has it',
  async (how, outcome, status) => {
    const id = add(how, 'reads');
    rig.tick();
    await rig.settle(id, 'needs_input');
    expect(await answer(id, 'Blue, please.')).toBe(outcome);
    expect(await working()).toBe(true);
    expect(rig.ticket(id).status).toBe(status);
    expect(await nextPrompt(id)).toContain('<<<answer');
  },
);

it('a question after the answer stands, whoever has asked it is gone', async () => {
  const id = add('twice', 'reads');
  rig.tick();
  await rig.settle(id, 'needs_input');
  await answer(id, 'Blue, please.');
  expect(await until(() => rig.ticket(id).reason_text === 'And which shape?')).toBe(true);
  await rig.gone(rig.run(id).pid);
  for (let n = 0; n < 2; n++) expect(rig.tick().dispatch).toEqual([]);
  expect(rig.ticket(id)).toMatchObject({ status: 'needs_input', reason_text: 'And which shape?' });
});

it('comments on work that nobody was there to hear outlive the attempt that was given them', async () => {
  const id = add('done', 'reads', 'done');
  await rig.ticksUntilStarted(id, 1);
  await rig.settle(id, 'in_review');
  await rig.gone(rig.runs(id)[0]?.pid ?? 0);
  await rig.tickHere();
  expect((await rig.box.here(['ticket', 'rework', id, '--message', 'A test is missing.'])).code).toBe(0);
  await rig.ticksUntilStarted(id, 2);
  expect(await working()).toBe(true);
  expect(await nextPrompt(id)).toContain('A test is missing.');
  await rig.settle(id, 'in_review');
  expect(owed()).toEqual([]);
});

it('an answer that the agent has obeyed before it gave any other sign is honoured: its report is the acknowledgement', async () => {
  const id = add('obeys');
  await rig.tickHere();
  await rig.working(id);
  expect(await answer(id, 'blue')).toBe('delivered');
  expect(rig.ticket(id)).toMatchObject({ status: 'in_review' });
  const told = JSON.parse((await rig.box.here(['explain', id, '--json'])).out) as {
    words: { honoured_by: string | null }[];
  };
  expect(told.words).toMatchObject([{ text: 'blue', honoured_by: rig.run(id).id }]);
});
