import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeSandbox, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

const add = async (...args: string[]) => await box.here(['ticket', 'add', '--title', 'One', ...args]);
const edit = async (id: string, ...args: string[]) => await box.here(['ticket', 'edit', id, ...args]);
/** ESC, a C1 control (CSI), a bidi override, a newline. */
const BAD = ['\u001b[31mred', 'a\u009b2J', 'a\u202eb', 'a\nb', ' a', 'a ', '  ', 'x'.repeat(65)];

describe('a name that is none', () => {
  it.each(['--project', '--agent', '--owner', '--label', '--author'])(
    '%s is refused by add: exit 2',
    async (option) => {
      for (const bad of ['', ...BAD]) {
        const done = await add(option, bad);
        expect([bad, done.code, done.out]).toEqual([bad, 2, '']);
        expect(done.err).toContain(option);
        expect(done.err.trim()).toMatch(/^[\x20-\x7e]+$/);
      }
      expect((await box.here(['ticket', 'list'])).out).toBe('');
    },
  );

  it.each(['--project', '--agent', '--owner', '--label'])('%s is refused by edit: exit 2', async (option) => {
    await add();
    for (const bad of BAD) expect([bad, (await edit('MC-1', option, bad)).code]).toEqual([bad, 2]);
    expect(box.sql('SELECT version FROM tickets')).toEqual([{ version: 1 }]);
  });
});

it('edit clears with an empty word what may be empty, and nothing else', async () => {
  await add('--agent', 'scripted', '--owner', 'Zoë Ω', '--label', 'a', '--label', 'a');
  await add('--depends-on', 'mc-1');
  expect(box.sql('SELECT labels FROM tickets WHERE seq = 1')).toEqual([{ labels: '["a"]' }]);
  expect((await edit('MC-1', '--project', '')).code).toBe(2);
  expect((await edit('MC-1', '--label', 'b', '--label', '')).code).toBe(2);
  expect(await edit('MC-1', '--agent', '', '--owner', '', '--label', '')).toMatchObject({ code: 0, err: '' });
  expect(await edit('MC-2', '--depends-on', '')).toMatchObject({ code: 0, err: '' });
  expect(box.sql('SELECT agent, owner, labels, depends_on FROM tickets')).toEqual(
    Array(2).fill({ agent: null, owner: null, labels: '[]', depends_on: '[]' }),
  );
});

it('a project or a profile that is not in the configuration is a warning, of add and of edit', async () => {
  expect((await add('--project', 'dmeo')).err).toMatch(
    /no project "dmeo" in .*\(did you mean "demo"\?\): MC-1/,
  );
  for (const [option, kind] of [
    ['--project', 'project'],
    ['--agent', 'agent profile'],
  ] as const) {
    const done = await edit('MC-1', option, 'nope');
    expect(done.code).toBe(0);
    expect(done.err).toMatch(new RegExp(`no ${kind} "nope" in .*: MC-1 will be skipped`));
  }
  expect((await edit('MC-1', '--project', 'demo', '--agent', 'scripted')).err).toBe('');
});

it('tickets never wait for each other, for themselves or for nobody: exit 2', async () => {
  await add();
  await add('--depends-on', 'MC-1');
  await add('--depends-on', 'MC-2');
  for (const [on, why] of [
    ['MC-1', /MC-1 can't depend on itself/],
    ['mc-2', /MC-1 can't depend on MC-2.*MC-1 -> MC-2 -> MC-1/],
    ['MC-3', /MC-1 can't depend on MC-3.*MC-1 -> MC-3 -> MC-2 -> MC-1/],
    ['MC-9', /no ticket "MC-9"/],
  ] as const) {
    const done = await edit('MC-1', '--depends-on', on);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toMatch(why);
  }
  expect((await add('--depends-on', 'MC-4')).code).toBe(2);
  expect(await edit('MC-3', '--depends-on', 'MC-1', '--depends-on', 'MC-2')).toMatchObject({
    code: 0,
    err: '',
  });
  expect(box.sql('SELECT version FROM tickets WHERE seq = 1')).toEqual([{ version: 1 }]);
});

it('what another program put on the board is cleaned on its way out', async () => {
  await add();
  const evil = 'x\u001b]0;owned\u0007\u009b2J\u202e\ny';
  box.sql(
    `UPDATE tickets SET title = ?1, project = ?1, agent = ?1, owner = ?1, author = ?1, reason = ?1, reason_text = ?1,
       labels = json_array(?1), depends_on = json_array(?1), status = 'needs_input'`.replaceAll('?1', '?'),
    ...Array<string>(9).fill(evil),
  );
  box.sql(
    'INSERT INTO activity (ticket_id, actor, kind, because, text) VALUES (?, ?, ?, ?, ?)',
    ...['MC-1', evil, evil, evil, evil],
  );
  for (const args of [
    ['ticket', 'show', 'MC-1'],
    ['ticket', 'list'],
    ['status'],
    ['log'],
    ['explain', 'MC-1'],
    ['ticket', 'show', 'MC-1', '--json'],
    ['dispatch', '--dry-run'],
  ]) {
    const done = await box.here(args);
    expect(done.code).toBe(0);
    expect(`${done.out}${done.err}`).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
  }
  const lines = (await box.here(['ticket', 'show', 'MC-1'])).out.split('\n');
  expect(lines.filter((line) => line.startsWith('y'))).toEqual(['y']); // the question's second line, and no other
  const shown = JSON.parse((await box.here(['ticket', 'show', 'MC-1', '--json'])).out) as { title: string };
  expect(shown.title).toBe(evil);
});
