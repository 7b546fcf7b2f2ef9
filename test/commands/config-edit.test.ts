/** A real terminal (a tmux server of the test's own), a real shell, and editors that are small scripts. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PrintedCheck } from '../support/printed.ts';
import { BIN, makeSandbox, type Sandbox } from '../support/sandbox.ts';
import { waitFor } from '../support/wait.ts';

let box: Sandbox;
let config: string;
let draft: string;
beforeEach(() => {
  box = makeSandbox();
  config = join(box.dir, 'config.toml');
  draft = `${config}.draft`;
  mkdirSync(box.state, { recursive: true, mode: 0o700 });
});
afterEach(async () => {
  await box.destroy();
});

const read = () => readFileSync(config, 'utf8');

/** An editor: a script whose first argument is the draft. */
function editor(name: string, script: string): string {
  const file = join(box.dir, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  return file;
}

/** The terminal that was opened last. Each is kept to the end: a server that ends with its last session turns the next
 *  client away. */
let session = '';
let opened = 0;

/** Starts `config edit` in a terminal of 80 columns. */
function open(env: Readonly<Record<string, string>>, more = ''): void {
  session = `edit-${++opened}`;
  const words = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
  // The trap: Ctrl-C reaches the shell of the pane too, and it must tell how the command ended.
  const command = `trap : INT; ${words.join(' ')} '${process.execPath}' '${BIN}' config edit ${more}; echo "ended with $?"; exec sleep 60`;
  const done = box.tmux(
    '-f',
    '/dev/null',
    'new-session',
    '-d',
    '-s',
    session,
    '-x',
    '80',
    '-y',
    '40',
    'sh',
    '-c',
    command,
  );
  expect(done).toMatchObject({ code: 0, err: '' });
}

/** The screen without its line breaks, once it shows this. */
async function shows(text: string): Promise<string> {
  return waitFor(() => {
    const screen = box.tmux('capture-pane', '-p', '-J', '-t', `=${session}:`).out;
    return screen.includes(text) ? screen : null;
  }, `"${text}" on the screen`);
}

const type = (...keys: string[]) => expect(box.tmux('send-keys', '-t', `=${session}:`, ...keys).code).toBe(0);

it('a change that is right takes the place of the file at once, with its mode', async () => {
  chmodSync(config, 0o640);
  open({ EDITOR: editor('ed', 'sed -i "s/max_agents = 8/max_agents = 3/" "$1"') });
  expect(await shows('ended with')).toMatch(/ready: \S+config\.toml \(1 project, 1 profile\)\s+ended with 0/);
  expect(read()).toContain('max_agents = 3');
  expect(statSync(config).mode & 0o777).toBe(0o640);
  expect(existsSync(draft)).toBe(false);
});

it('VISUAL goes before EDITOR, and may have arguments', async () => {
  const file = editor('my editor', '[ "$1" = --wait ] && echo "# $2" >>"$3"');
  open({ VISUAL: `"${file}" --wait "two words"`, EDITOR: 'false' });
  await shows('ended with 0');
  expect(read()).toMatch(/# two words\n$/);
});

it('a mistake is told, and leaves the file alone until it is mended', async () => {
  const before = read();
  const file = editor(
    'ed',
    `if grep -q max_agnets "$1"; then sed -i "s/max_agnets = 8/max_agents = 5/" "$1"
     else sed -i "s/max_agents/max_agnets/" "$1"; fi`,
  );
  open({ EDITOR: file });
  expect(await shows('throw it away (t)?')).toContain(
    `${draft}:2:1: limits.max_agnets: unknown key (did you mean "max_agents"?)`,
  );
  expect(read()).toBe(before);
  expect(box.run(['config', 'check']).code).toBe(0); // what a tick would meet now
  type('e', 'Enter');
  await shows('ended with 0');
  expect(read()).toBe(before.replace('max_agents = 8', 'max_agents = 5'));
});

it('a draft that is kept is gone on with, or begun anew', async () => {
  const before = read();
  open({ EDITOR: editor('ed', 'echo "oops = 1" >>"$1"') });
  await shows('throw it away (t)?');
  type('k', 'Enter');
  expect(await shows('ended with 78')).toContain(`kept: ${draft}`);
  expect(read()).toBe(before);
  expect(readFileSync(draft, 'utf8')).toBe(`${before}oops = 1\n`);

  open({ EDITOR: editor('mend', 'sed -i "/oops/d; s/max_agents = 8/max_agents = 6/" "$1"') });
  await shows('go on with it (g), or begin anew (n)?');
  type('g', 'Enter');
  await shows('ended with 0');
  expect(read()).toBe(before.replace('max_agents = 8', 'max_agents = 6'));
  expect(existsSync(draft)).toBe(false);

  writeFileSync(draft, 'rubbish', { mode: 0o600 });
  open({ EDITOR: editor('same', 'grep -q rubbish "$1" && exit 9; true') });
  await shows('begin anew (n)?');
  type('n', 'Enter');
  expect(await shows('ended with 0')).toContain('nothing was changed');
  expect(existsSync(draft)).toBe(false);
});

it('a draft may be thrown away', async () => {
  const before = read();
  open({ EDITOR: editor('ed', 'echo "oops = 1" >>"$1"') });
  await shows('throw it away (t)?');
  type('t', 'Enter');
  await shows('ended with 0');
  expect(read()).toBe(before);
  expect(existsSync(draft)).toBe(false);
});

it('what somebody else has changed meanwhile is not overwritten: exit 75', async () => {
  const wait = join(box.dir, 'go');
  open({
    EDITOR: editor(
      'ed',
      `: >'${wait}.open'; until [ -e '${wait}' ]; do sleep 0.02; done; echo "# mine" >>"$1"`,
    ),
  });
  await waitFor(() => existsSync(`${wait}.open`));
  writeFileSync(config, `${read()}# theirs\n`);
  writeFileSync(wait, '');
  expect(await shows('ended with 75')).toMatch(/changed by somebody else meanwhile/);
  expect(read()).toMatch(/# theirs\n$/);
  expect(readFileSync(draft, 'utf8')).toMatch(/# mine\n$/);
});

it('an editor that is not there, or fails, changes nothing: exit 69', async () => {
  const before = read();
  open({ EDITOR: 'no-such-editor' });
  expect(await shows('ended with 69')).toMatch(/no-such-editor\) was not found: set EDITOR/);
  open({ EDITOR: editor('quits', 'echo "# half" >>"$1"; exit 1') });
  expect(await shows('ended with 69')).toContain(`your draft is kept as ${draft}`);
  expect(read()).toBe(before);
});

it('a link leads to the file that is edited, and stays a link', async () => {
  const real = join(box.dir, 'dotfiles.toml');
  renameSync(config, real);
  symlinkSync(real, config);
  open({ EDITOR: editor('ed', 'echo "# linked" >>"$1"') });
  await shows('ended with 0');
  expect(lstatSync(config).isSymbolicLink()).toBe(true);
  expect(readFileSync(real, 'utf8')).toMatch(/# linked\n$/);
});

it('Ctrl-C is the editor’s own', async () => {
  open({ EDITOR: editor('ed', `trap 'echo "# caught" >>"$1"; exit 0' INT; echo open; sleep 60`) });
  await shows('open');
  type('C-c');
  await shows('ended with 0');
  expect(read()).toMatch(/# caught\n$/);
});

it('with --json it prints what its schema says', async () => {
  const check = new PrintedCheck();
  const fits = async (code: number) => {
    const screen = await shows(`ended with ${code}`);
    const printed = screen.split('\n').find((line) => line.startsWith('{')) ?? '';
    expect(check.faults('config edit', printed)).toEqual([]);
    return JSON.parse(printed) as unknown;
  };
  open({ EDITOR: 'true' }, '--json');
  expect(await fits(0)).toEqual({ config, result: 'unchanged', draft: null });
  open({ EDITOR: editor('ed', 'echo "oops = 1" >>"$1"') }, '--json');
  await shows('throw it away (t)?');
  type('k', 'Enter');
  expect(await fits(78)).toEqual({ config, result: 'kept', draft });
});

it('without a terminal it says what to do: exit 2', () => {
  const done = box.run(['config', 'edit']);
  expect(done).toMatchObject({ code: 2, out: '' });
  expect(done.err).toContain(`edit ${config} by other means, then run mc-pickup config check`);
  rmSync(config);
  expect(box.run(['config', 'edit']).code).toBe(2);
});
