/** `npm start`: the main job as a demonstration, on a scratch state dir, a scratch repository and a tmux server of
 *  its own. Real ticks of the real program until the board settles; nothing is left behind. */
import { spawnSync } from 'node:child_process';
import { git, makeSandbox, type Sandbox, until } from '../test/support/sandbox.ts';

const MAX_TICKS = 40;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function missing(): string | null {
  for (const tool of ['git', 'tmux']) {
    const flag = tool === 'tmux' ? '-V' : '--version';
    if (spawnSync(tool, [flag]).error)
      return `${tool} is not installed or not on PATH: install it, for example apt-get install ${tool}`;
  }
  return null;
}

function add(box: Sandbox, title: string, behave: string): string {
  const done = box.run([
    'ticket',
    'add',
    '--project',
    'demo',
    '--agent',
    'scripted',
    '--title',
    title,
    '--body',
    `behave: ${behave}`,
    '--json',
  ]);
  if (done.code !== 0) throw new Error(done.err);
  const { id } = JSON.parse(done.out) as { id: string };
  say(`  ${id}  ${title}`);
  return id;
}

function statusOf(box: Sandbox, id: string): string {
  return box.sql<{ status: string }>('SELECT status FROM tickets WHERE id = ?', id)[0]?.status ?? '';
}

let ticks = 0;
function tick(box: Sandbox): string {
  ticks += 1;
  const done = box.run(['dispatch']);
  if (done.code !== 0 && done.code !== 3) throw new Error(`dispatch: exit ${done.code}: ${done.err}`);
  for (const line of done.out.trim().split('\n').filter(Boolean)) say(`  tick ${ticks}: ${line}`);
  return done.out;
}

async function demo(box: Sandbox): Promise<void> {
  say('A board with five tickets:');
  const fine = add(box, 'Add a greeting', 'review');
  const dies = add(box, 'Fix the flaky import', 'die-once');
  const asks = add(box, 'Colour the button', 'ask');
  const split = add(box, 'Rename the module', 'hold');
  const blocked = add(box, 'Rotate the key', 'blocked');

  say('\nThe first tick claims them and starts an agent each, in tmux, in its own git worktree:');
  tick(box);
  if (!(await until(() => box.note(`${split}.started`) !== '')))
    throw new Error(`the agent of ${split} never started`);

  say(`\nSplit brain: another program puts ${split} back to todo while its agent works on it:`);
  box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", split);
  say(`  ${split} is "${statusOf(box, split)}", its agent alive`);
  tick(box);
  const agents = box.note(`${split}.started`).split('\n').filter(Boolean).length;
  if (statusOf(box, split) !== 'in_progress' || agents !== 1)
    throw new Error('the split brain was not healed');
  say(`  healed within one tick: ${split} is "in_progress", and ${agents} agent was ever started for it`);
  box.signal(`${split}.go`);

  say('\nTicks until the board settles (one agent died: its ticket is tried again; one asks a question):');
  const settled = () =>
    [fine, dies, split].every((id) => statusOf(box, id) === 'in_review') &&
    statusOf(box, asks) === 'needs_input' &&
    statusOf(box, blocked) === 'blocked';
  for (let i = 0; i < MAX_TICKS && !settled(); i++) {
    tick(box);
    await until(settled, 500);
  }
  if (!settled()) throw new Error('the board did not settle');

  say(`\nA person answers ${asks}:`);
  const sent = box.run(['send', asks, 'Blue, please']);
  say(`  ${sent.out.trim()}${sent.err.trim()}`);
  if (!(await until(() => statusOf(box, asks) === 'in_review'))) throw new Error('the answer did not arrive');
  tick(box);

  say('\nThe board at the end:');
  say(box.run(['ticket', 'list']).out.trimEnd());
  say('\nAnd the work, each on its own branch:');
  say(
    git(box, 'for-each-ref', '--format=  %(refname:short)  %(contents:subject)', 'refs/heads/mc').trimEnd(),
  );
}

const lack = missing();
if (lack !== null) {
  process.stderr.write(`mc-pickup: ${lack}\n`);
  process.exitCode = 69;
} else {
  const box = makeSandbox();
  try {
    await demo(box);
  } finally {
    await box.destroy();
  }
  say('\nNothing is left behind: the scratch directory, its tmux server and its agents are gone.');
}
