/** Tickets that wait for one which will not be done: named, let go or cancelled with it, on a board of one's own and on a server. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withBoard } from '../../src/board/open.ts';
import { explain } from '../../src/commands/explain.ts';
import { move } from '../../src/commands/ticket-move.ts';
import { type Context, makeContext } from '../../src/context.ts';
import { statusText } from '../../src/report/status.ts';
import { statusFacts } from '../../src/status/facts.ts';
import { Served } from '../support/mission-control/served.ts';
import { Rig } from '../support/rig.ts';

describe.each(['a board of its own', 'a server'])('on %s', (kind) => {
  let server: Served | undefined;
  let rig: Rig;
  let context: Context;
  let said: string[] = [];
  beforeEach(async () => {
    server = kind === 'a server' ? await Served.start() : undefined;
    rig = new Rig(server === undefined ? {} : { server });
    const made = makeContext({ config: `${rig.box.dir}/config.toml`, stateDir: rig.box.state }, rig.box.env);
    said = [];
    const say = (text: string): void => void said.push(text);
    context = { ...made, out: { ...made.out, warn: say, line: say, painted: say, json: () => undefined } };
  });
  afterEach(async () => {
    await rig.box.destroy();
    await server?.destroy();
  });

  const to = async (id: string, status: string, dependants?: string): Promise<string> => {
    said = [];
    await move(context, id, status, { why: '', ...(dependants === undefined ? {} : { dependants }) });
    return said.join('\n');
  };
  /** Another program's word on it. */
  const begun = (id: string, status: string): unknown =>
    rig.box.sql('UPDATE tickets SET status = ? WHERE id = ?', status, id);
  const open = (id: string) => withBoard(context, async (board) => board.ticket(id));
  const add = (...needs: string[]): Promise<string> =>
    withBoard(context, async (board) => {
      const rest = {
        body: '',
        project: 'demo',
        labels: [],
        agent: null,
        owner: null,
        author: 'ann',
        trusted: true,
      };
      const ticket = { ...rest, title: 'Do it', priority: 2, status: 'todo', depends_on: needs } as const;
      return (await board.addTicket(ticket, { now_ms: Date.now() })).id;
    });

  it('a cancelled or blocked dependency names who waits for it, status and explain show it, and they are let go or cancelled too', async () => {
    const [first, other, done] = [await add(), await add(), await add()];
    const waits = await add(first, other);
    const deep = await add(waits);
    await to(done, 'done');
    const free = await add(done);
    expect(await to(first, 'blocked')).toContain(`${waits} waits for ${first}, which does not come while`);
    expect(await to(first, 'cancelled')).toContain(
      `mc-pickup ticket move ${first} cancelled --dependants release`,
    );
    const facts = await statusFacts(context, Date.now());
    expect(facts.in_vain).toEqual([{ id: waits, title: 'Do it', for: [{ id: first, status: 'cancelled' }] }]);
    expect(statusText(context, facts, Date.now()).join('\n')).toMatch(
      new RegExp(`wait for what will not come\\n +${waits} +${first} is cancelled`),
    );
    said = [];
    await explain(context, waits);
    expect(said.join('\n')).toContain(`${first} is cancelled: it waits for that in vain`);
    expect(said.join('\n')).toContain(`mc-pickup ticket edit ${waits} --depends-on ${other}`);
    expect(await to(first, 'cancelled', 'release')).toContain(`${waits} waits for ${first} no longer`);
    expect((await open(waits))?.depends_on).toEqual([other]);
    expect((await statusFacts(context, Date.now())).in_vain).toEqual([]);
    expect(await to(other, 'cancelled', 'cancel')).toContain(`${deep} is cancelled as well`);
    expect([(await open(waits))?.status, (await open(deep))?.status, (await open(free))?.status]).toEqual([
      ...['cancelled', 'cancelled', 'todo'],
    ]);
    await expect(to(done, 'done', 'release')).rejects.toMatchObject({ exit: 2 });
    await expect(to(free, 'cancelled', 'keep')).rejects.toMatchObject({ exit: 2 });
  });

  it('one that has begun is named and let go as well, since it would wait if it came back, and is not cancelled with the other', async () => {
    const first = await add();
    const [works, reviewed] = [await add(first), await add(first)];
    begun(works, 'in_progress');
    begun(reviewed, 'in_review');
    expect(await to(first, 'cancelled')).toContain(
      `${works} (in_progress), ${reviewed} (in_review) wait for ${first}, which will not come`,
    );
    expect(await to(first, 'cancelled', 'cancel')).toContain(`${works} (in_progress) stays`);
    expect([(await open(works))?.status, (await open(reviewed))?.status]).toEqual([
      ...['in_progress', 'in_review'],
    ]);
    expect(await to(first, 'cancelled', 'release')).toContain(`${works} waits for ${first} no longer`);
    expect([(await open(works))?.depends_on, (await open(reviewed))?.depends_on]).toEqual([[], []]);
  });
});
