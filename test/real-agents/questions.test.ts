/** Questions of the clients' own tools: shown with their options, and answered from here. */
import { expect } from 'vitest';
import type { Rig } from '../support/clients/rig.ts';
import { MARK, withClients } from '../support/clients/scenario.ts';
import { waitFor } from '../support/wait.ts';

withClients({}, ({ scenario, open, launched }) => {
  const asked = async (one: Rig, directive: string): Promise<string> => {
    const id = await launched(one, `${MARK} [[ask ${directive}]]`);
    const row = await one.untilStatus(id, 'needs_input', 60_000);
    expect(row.reason).toBe('agent_waiting');
    return id;
  };
  /** The model has these words as its tool's answer: they stand behind the question, whatever quotes them. */
  const atTheModel = (one: Rig, question: string, words: string) => {
    const plain = (text: string) => text.replace(/[\\"]/g, '');
    const has = (body: string) => plain(body.slice(body.lastIndexOf(question))).includes(plain(words));
    return waitFor(() => one.stub.brain.acts.length > 1 && one.stub.bodies.some(has), words, 30_000);
  };

  scenario('a question by the tool of the client: shown with its options, answered by a number', async () => {
    const one = await open('max_nudges = 0');
    const id = await asked(one, 'Which colour? | crimson | azure');
    expect(one.ticket(id).reason_text).toBe('Which colour?\n  1. crimson\n  2. azure');
    expect((await one.run('status')).out).toMatch(/asks: Which colour\?\n +1\. crimson\n +2\. azure\n/);
    const explained = (await one.run('explain', id)).out;
    expect(explained).toContain(`mc-pickup answer ${id} N`);
    expect(explained).not.toContain('--allow'); // what can't work is not offered
    const wrong = [['3'], ['1,2'], ['--allow'], ['--deny']];
    for (const words of wrong) expect(await one.run('answer', id, ...words)).toMatchObject({ code: 2 });
    expect((await one.run('send', id, 'typed-into-a-dialog')).code).toBe(75);
    expect(one.screen(id)).toMatch(/2\. +azure/);
    const answered = await one.run('answer', id, '2');
    expect(answered).toMatchObject({ code: 0, err: '' });
    expect(answered.out).toContain('Which colour? azure');
    await atTheModel(one, 'colour?', 'azure');
    expect(one.prompts('typed-into-a-dialog')).toEqual([]);
    expect((await one.run('answer', id, '2')).out).not.toContain('answered'); // none is open any more
  });

  scenario(
    'a question by the tool of the client: answered by a text of a person, byte for byte',
    async () => {
      const one = await open('max_nudges = 0');
      const id = await asked(one, 'Which colour? | crimson | azure');
      const text = '@README.md "teal" & #4; $HOME /help !ls `x` é';
      expect(await one.run('answer', id, text)).toMatchObject({ code: 0, err: '' });
      await atTheModel(one, 'colour?', text);
    },
  );

  scenario('several questions in one call: each is told in turn, and answered', async () => {
    const one = await open('max_nudges = 0');
    const id = await asked(one, 'Which colour? | crimson | azure && Which size? | small | large');
    const first = await one.run('answer', id, 'azure');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toContain('it goes on to ask: Which size?\n  1. small\n  2. large');
    expect(one.stub.brain.acts).toHaveLength(1);
    expect(await one.run('answer', id, '1')).toMatchObject({ code: 0, err: '' });
    await atTheModel(one, 'colour?', 'azure');
    await atTheModel(one, 'size?', 'small');
  });

  scenario(
    'a denial under "auto": the board shows at once what the agent does, and nothing nudges it',
    async () => {
      const one = await open('on_idle = "auto"');
      const id = await launched(one, `${MARK} [[shell touch denied-file]]`);
      await one.untilStatus(id, 'needs_input', 60_000);
      expect(await one.run('answer', id, '--deny')).toMatchObject({ code: 0, err: '' });
      const { status, reason } = one.ticket(id);
      expect([status, reason]).not.toEqual(['needs_input', 'agent_waiting']); // without a tick
      await one.ticking(() => one.ticket(id).reason === 'idle_without_report', 'a person to be asked');
      expect(one.ticket(id).reason_text).toContain('You denied');
      expect(one.prompts('reminder')).toEqual([]);
    },
  );

  scenario('allowed, and the next dialog opens: the board shows it without a tick', async () => {
    const one = await open('max_nudges = 0');
    const id = await launched(one, `${MARK} [[shell touch first-file]] [[shell touch second-file]]`);
    const first = await one.untilStatus(id, 'needs_input', 60_000);
    expect(first.reason_text).toContain('first-file');
    expect(await one.run('answer', id, '--allow')).toMatchObject({ code: 0, err: '' });
    const { status, reason_text } = one.ticket(id);
    expect(status === 'in_progress' || reason_text?.includes('second-file')).toBe(true);
    await one.ticking(() => one.ticket(id).reason_text?.includes('second-file') === true, 'the second one');
  });
});
