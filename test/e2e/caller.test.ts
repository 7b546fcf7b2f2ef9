/** An agent that acts on others, for real: what it may do is decided in one place, and nothing else happens. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileCrontab } from '../support/crontab.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  // Where a refusal were missing, the machine's own crontab would be written.
  rig.box.env.PATH = `${fileCrontab(join(rig.box.dir, 'bin'))}:${rig.box.env.PATH}`;
});
afterEach(() => rig.box.destroy());

/** Launches an agent that does this, and waits until it has. */
async function agentDoes(lines: string, project = ''): Promise<string> {
  const file = join(rig.box.dir, 'agent.sh');
  const said = join(rig.box.dir, 'said');
  const tries = `try() { "$@" >>${said} 2>&1 </dev/null; echo "$? $*" >>${said}.codes; }`;
  writeFileSync(file, `#!/bin/sh\n${tries}\n${lines}\n: >${said}.end\nexec sleep 600\n`, { mode: 0o755 });
  rig.configure({ project, more: `[agent.acts]\nkind = "command"\nargv = [${JSON.stringify(file)}]\n` });
  const id = rig.add('x', '--agent', 'acts');
  rig.tick();
  expect(await until(() => existsSync(`${said}.end`))).toBe(true);
  return id;
}

const codes = () =>
  readFileSync(join(rig.box.dir, 'said.codes'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
const said = () => readFileSync(join(rig.box.dir, 'said'), 'utf8');

describe('an agent', () => {
  it('changes nothing of others, with its run id or without', { timeout: 120_000 }, async () => {
    const [other = ''] = await rig.held(1);
    const before = rig.ticket(other);
    const lines = [
      `stop ${other}`,
      `ticket move ${other} done`,
      `ticket edit ${other} --title mine`,
      `ticket comment ${other} hello`,
      `ticket approve ${other}`,
      `ticket rework ${other} --message x`,
      `send ${other} hello`,
      `answer ${other} hello`,
      'killswitch on --level all',
      'killswitch off',
      'clean --yes',
      'init',
      'init --project',
      'schedule install --yes',
      'config edit',
      'backup',
      'restore x.sqlite',
      'dispatch',
      'reconcile --quiet',
      'agents ready scripted',
      `register ${rig.run(other).mark} $$`,
    ];
    const all = lines.flatMap((line) => [`try mc-pickup ${line}`, `try env -u MC_RUN_ID mc-pickup ${line}`]);
    await agentDoes(all.join('\n'));
    const wrong = codes().flatMap((code, n) => (code === '77' ? [] : [`${code}: ${all[n]}`]));
    expect(wrong).toEqual([]);
    expect(rig.ticket(other)).toEqual(before);
    expect(rig.agents(other)).toHaveLength(1);
    expect(existsSync(join(rig.box.state, 'killswitch.json'))).toBe(false);
    expect(existsSync(join(rig.box.state, 'person.json'))).toBe(false);
  });

  it('comments on its own ticket, and adds tickets that nobody trusts, in its own name', async () => {
    const id = await agentDoes(`try mc-pickup ticket comment $MC_TICKET_ID "mind the gap"
try mc-pickup ticket add --title More --project demo
try env -u MC_RUN_ID mc-pickup ticket add --title "And more" --project demo`);
    expect(codes(), said()).toEqual(['0', '0', '0']);
    const { mark } = rig.run(id);
    expect(rig.box.sql("SELECT ticket_id, run_id, actor, text FROM activity WHERE kind = 'comment'")).toEqual(
      [{ ticket_id: id, run_id: mark, actor: `run:${mark}`, text: 'mind the gap' }],
    );
    expect(rig.box.sql('SELECT author, trusted, owner FROM tickets WHERE id <> ?', id)).toEqual([
      { author: `run:${mark}`, trusted: 0, owner: null },
      { author: `run:${mark}`, trusted: 0, owner: null },
    ]);
  });

  it('stays who it is by its processes, whichever run it writes into its environment', async () => {
    const [other = ''] = await rig.held(1);
    const before = rig.ticket(other);
    const forged = `env MC_RUN_ID=${rig.run(other).mark} MC_TICKET_ID=${other}`;
    const id = await agentDoes(`try ${forged} mc-pickup ticket comment ${other} hello
try ${forged} sh -c 'mc-pickup ticket comment ${other} hello; exit $?'
try ${forged} sh -c 'env -u MC_RUN_ID mc-pickup ticket comment ${other} hello; exit $?'
try ${forged} mc-pickup ticket comment $MC_TICKET_ID mine
try ${forged} sh -c 'mc-pickup report blocked --message forged; exit $?'`);
    expect(codes(), said()).toEqual(['77', '77', '77', '0', '0']);
    expect(rig.ticket(other)).toEqual(before);
    expect(rig.ticket(id)).toMatchObject({ status: 'blocked', reason_text: 'forged' });
    const { mark } = rig.run(id);
    expect(rig.box.sql("SELECT run_id FROM activity WHERE kind = 'comment'")).toEqual([{ run_id: mark }]);
  });

  it('whose run is over, or of another board, comments on nothing', () => {
    const id = rig.add('hold');
    const done = rig.box.run(['ticket', 'comment', id, 'x'], '', { MC_RUN_ID: `${id}-e1-abcdef01` });
    expect(done).toMatchObject({ code: 77, err: expect.stringContaining('its run is over') });
  });

  it('that makes a state dir of its own is a person to the board in it, and to no other', async () => {
    const own = join(rig.box.dir, 'own');
    const outer = join(rig.box.dir, 'config.toml');
    await agentDoes(`mine() { try mc-pickup --state-dir ${own} "$@"; }
mine --config ${own}.toml init
mine --config ${own}.toml ticket add --title Mine --project p
mine --config ${own}.toml ticket move MC-1 done
mine --config ${own}.toml killswitch on
mine --config ${own}.toml init
mine config edit
mine init --project
try mc-pickup ticket move $MC_TICKET_ID done
try mc-pickup --state-dir ${own}2 init --project
try mc-pickup --state-dir ${own}2 ticket move MC-1 done`);
    expect(codes(), said()).toEqual(['0', '0', '0', '0', '0', '77', '77', '77', '77', '77']);
    expect(existsSync(join(own, 'killswitch.json'))).toBe(true);
    expect(existsSync(`${own}2`)).toBe(false);
    expect(readFileSync(outer, 'utf8')).not.toContain('own');
    // Another run is none.
    const args = ['--state-dir', own, 'ticket', 'move', 'MC-1', 'todo'];
    expect(rig.box.run(args, '', { MC_RUN_ID: 'x' }).code).toBe(77);
  });

  it('cannot note itself as a person to the board that runs it', async () => {
    await agentDoes(`echo "{\\"run\\":\\"$MC_RUN_ID\\",\\"config\\":null}" >$MC_PICKUP_STATE_DIR/person.json
try mc-pickup killswitch on`);
    expect(codes()).toEqual(['77']);
  });
});

it('a person to the board that it has made is none to another, whatever leads there', async () => {
  const [other = ''] = await rig.held(1);
  const own = join(rig.box.dir, 'own');
  const at = `mc-pickup --state-dir ${own} --config ${own}/config.toml`;
  const switched = join(rig.box.state, 'killswitch.json');
  await agentDoes(`${at} init >/dev/null
try ${at} killswitch on
try env MC_PICKUP_KILLSWITCH=${switched} ${at} killswitch on
rm ${own}/killswitch.json ${own}/board.sqlite*; ln -s ${rig.box.boardFile} ${own}/board.sqlite
try ${at} ticket move ${other} done`);
  expect(codes()).toEqual(['0', '77', '77']);
  expect(existsSync(switched)).toBe(false);
  expect(rig.ticket(other).status).toBe('in_progress');
});

describe('report done', () => {
  const DONE = 'try mc-pickup report done --message "It was there already."';
  const COMMIT = 'echo x >x.txt; git add -A; git -c user.name=a -c user.email=a@localhost commit -qm x';

  it('without commits waits for a person as nothing to do, which no publishing touches', async () => {
    const id = await agentDoes(DONE, '[project.demo.review]\npush = true\n');
    expect(codes(), said()).toEqual(['0']);
    expect(said()).toContain(`${id} -> in_review: a person accepts it`);
    expect(rig.ticket(id)).toMatchObject({
      ...{ status: 'in_review', reason: 'nothing_to_do', reason_text: 'It was there already.' },
    });
    expect(rig.tick().code).toBe(0);
    expect(rig.box.sql('SELECT * FROM reviews')).toEqual([]);
    expect(rig.box.run(['ticket', 'approve', id]).code).toBe(0);
  });

  it('with commits waits for a person as any report', async () => {
    const id = await agentDoes(`${COMMIT}\n${DONE}`);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', reason: 'reported' });
  });

  it('goes by the configuration that the run was launched by, whatever one the agent names', async () => {
    const own = `sed 's/^fetch = false/fetch = false\\nagents_may = ["done"]/' "$MC_PICKUP_CONFIG" >own.toml; grep -q agents_may own.toml || exit 1`;
    const id = await agentDoes(
      `${COMMIT}\n${own}\n${DONE.replace('mc-pickup', 'mc-pickup --config own.toml')}`,
    );
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', reason: 'reported' });
  });

  it('is done where the project leaves it to agents', async () => {
    const id = await agentDoes(`${COMMIT}\n${DONE}`, 'agents_may = ["done"]');
    expect(rig.ticket(id)).toMatchObject({ status: 'done' });
  });
});

it('a label makes no reader of an agent; its author does', async () => {
  const [other = ''] = await rig.held(1);
  const go = join(rig.box.dir, 'go');
  const waits = `try mc-pickup ticket comment ${other} first; while [ ! -e ${go} ]; do sleep 0.05; done`;
  const running = agentDoes(`${waits}; try mc-pickup ticket comment ${other} second`);
  const codesOf = () => (existsSync(join(rig.box.dir, 'said.codes')) ? codes() : []);
  expect(await until(() => codesOf().length === 1)).toBe(true);
  const labels = JSON.stringify([`review-of:${other}`]);
  rig.box.sql("UPDATE tickets SET labels = ? WHERE agent = 'acts'", labels);
  const [{ id } = { id: '' }] = rig.box.sql<{ id: string }>("SELECT id FROM tickets WHERE agent = 'acts'");
  const late = { MC_RUN_ID: rig.run(id).mark };
  expect(rig.box.run(['ticket', 'comment', other, 'x'], '', late).code).toBe(77);
  rig.box.sql("UPDATE tickets SET author = 'mc-pickup' WHERE agent = 'acts'");
  writeFileSync(go, '');
  await running;
  expect(codes()).toEqual(['77', '0']);
  expect(rig.box.run(['report', 'done'], '', late).code).toBe(0);
  expect(rig.ticket(id).status).toBe('done');
});
