import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import type { Pane } from '../../src/model/world.ts';
import { stopProcess } from '../../src/runs/stop.ts';
import { capturePane, closeDeadPane, paneTitle, showsText, startPane } from '../../src/tmux/pane.ts';
import { pasteText } from '../../src/tmux/paste.ts';
import type { Tmux } from '../../src/tmux/tmux.ts';
import { parsePane, viewServer } from '../../src/tmux/view.ts';
import { ownTmux } from '../support/own-tmux.ts';
import { waitFor } from '../support/wait.ts';

let dir: string;
let tmux: Tmux;

beforeEach(() => {
  const own = ownTmux('mc-rt-');
  ({ dir, tmux } = own);
  return own.gone;
});

async function start(argv: string[], cwd = dir) {
  const made = await startPane(tmux, { name: 'mc-1', run: 'r-1', ticket: 'MC-1', cwd, argv });
  if (!made.ok) throw new Error(made.error);
  return made;
}
async function onlyPane(): Promise<Pane | undefined> {
  const view = await viewServer(tmux);
  if (view.kind !== 'server') throw new Error(JSON.stringify(view));
  return view.panes[0];
}
function fake(script: string): Tmux {
  const binary = join(dir, 'fake-tmux');
  writeFileSync(binary, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  writeFileSync(tmux.socket, '');
  return { ...tmux, binary };
}

test('no server is none; a pane shows its mark and its exit; only then is it closed', async () => {
  expect(await viewServer(tmux)).toEqual({ kind: 'none' });
  const made = await start(['sh', '-c', `until [ -e '${dir}/go' ]; do sleep 0.02; done; exit 7`]);
  expect(await onlyPane()).toMatchObject({ run: 'r-1', ticket: 'MC-1', dead: false, pid: made.pid });
  expect(await closeDeadPane(tmux, made.pane, 'r-1')).toBe('refused');
  writeFileSync(join(dir, 'go'), '');
  await waitFor(async () => (await onlyPane())?.exit_code === 7, 'exit 7');
  expect(await closeDeadPane(tmux, made.pane, 'r-2')).toBe('refused');
  expect(await closeDeadPane(tmux, made.pane, 'r-1')).toBe('closed');
  expect(await viewServer(tmux)).toMatchObject({ kind: 'server', server_pid: made.server_pid, panes: [] });
});

// More than tmux reads at once: it came to the death of the process before it came to the rest, and threw that away.
test('a dead pane has shown all that its program wrote, though tmux was busy when it ended', async () => {
  const script = `until [ -e '${dir}/go' ]; do sleep 0.02; done
i=0; while [ $i -lt 150 ]; do echo "a line of a long trace of the stack, number $i"; i=$((i + 1)); done; echo last words; exit 7`;
  const made = await start(['sh', '-c', script]);
  process.kill(made.server_pid, 'SIGSTOP');
  try {
    writeFileSync(join(dir, 'go'), '');
    await waitFor(() => {
      const look = lookAt(made.pid);
      return look.kind === 'gone' || (look.kind === 'present' && look.state === 'Z');
    }, 'its end');
  } finally {
    process.kill(made.server_pid, 'SIGCONT');
  }
  await waitFor(async () => {
    const pane = await onlyPane();
    return pane?.dead && pane.exit_code === 7;
  }, 'a dead pane');
  const shown = (await capturePane(tmux, made.pane, 200)) ?? '';
  expect(shown.match(/^a line of .*$/gm)).toHaveLength(150);
  expect(shown).toContain('number 149\nlast words\n');
});

test('formats and semicolons in a directory and in arguments stay text', async () => {
  const cwd = join(dir, 'a#(touch x)#{pid};');
  mkdirSync(cwd);
  await start(['sh', '-c', 'pwd >out; printf %s "$1" >arg', 'sh', '#(touch y);'], cwd);
  await waitFor(async () => (await onlyPane())?.dead);
  expect(readFileSync(join(cwd, 'out'), 'utf8').trim()).toBe(cwd);
  expect(readFileSync(join(cwd, 'arg'), 'utf8')).toBe('#(touch y);');
  expect(existsSync(join(dir, 'x'))).toBe(false);
  const bad = await startPane(tmux, {
    name: 'a#(id)',
    run: 'r',
    ticket: 'T',
    cwd: dir,
    argv: ['sleep', '1'],
  });
  expect(bad.ok).toBe(false);
});

test('a server keeps nothing open to others, whatever the umask of who starts it, which stays', async () => {
  const before = process.umask(0o022);
  try {
    await start(['sh', '-c', `umask >'${dir}/mask.new'; mv '${dir}/mask.new' '${dir}/mask'; sleep 1000`]);
    expect(process.umask()).toBe(0o022);
  } finally {
    process.umask(before);
  }
  await waitFor(() => existsSync(join(dir, 'mask')));
  expect(readFileSync(join(dir, 'mask'), 'utf8').trim()).toMatch(/^0*77$/);
});

test('a deleted socket of a living server is unknown, and healed when asked', async () => {
  await start(['sleep', '1000']);
  rmSync(tmux.socket);
  expect((await viewServer(tmux)).kind).toBe('unknown');
  expect(await viewServer(tmux, { repair: true })).toMatchObject({ kind: 'server', panes: [{ run: 'r-1' }] });
});

test.each([
  ['echo "fork failed: Resource temporarily unavailable" >&2; exit 1', 'temporarily'],
  ['exec sleep 1000', 'did not answer'],
  ['echo "what|is|this"; echo mc-pickup-end', 'malformed'],
  ['printf "%s\\n" "\\$0|%0|1|0|||5|9|3|3|1|r-1|T-1|a"', 'cut off'],
  ['exit 0', 'cut off'],
  ['echo mc-pickup-end; echo more', 'malformed'],
])('a tmux that fails is unknown: %s', async (script, words) => {
  const view = await viewServer(fake(script));
  expect(view.kind === 'unknown' && view.error).toContain(words);
});

test('what a pane shows can not be told once its program has ended, or it is gone', async () => {
  const made = await start(['sh', '-c', `echo here; until [ -e '${dir}/go' ]; do sleep 0.02; done`]);
  await waitFor(async () => (await showsText(tmux, made.pane, 'here')) === true, 'the text');
  expect(await showsText(tmux, made.pane, 'elsewhere')).toBe(false);
  expect(await showsText(tmux, '%9999', 'here')).toBeNull();
  writeFileSync(join(dir, 'go'), '');
  await waitFor(async () => (await onlyPane())?.dead === true, 'its end');
  expect(await showsText(tmux, made.pane, 'elsewhere')).toBeNull();
});

test('where the memory for files is full, a pipe takes what tmux says', async () => {
  // To a file it gets nothing out, and does not notice.
  const answer = 'printf "%s\\n" "\\$0|%0|1|0|||5|9|3|3|1|r-1|T-1|a" mc-pickup-end';
  const view = await viewServer(fake(`if [ -f /dev/fd/1 ]; then exit 0; fi; ${answer}`));
  expect(view).toMatchObject({ kind: 'server', server_pid: 9, panes: [{ run: 'r-1' }] });
  const lost = 'if [ -f /dev/fd/2 ]; then exit 1; fi; echo "no server running on x" >&2; exit 1';
  expect((await viewServer(fake(lost))).kind).toBe('none');
});

test('a title is read as it is where no locale is set, as under cron', async () => {
  const made = await start(['sh', '-c', "printf '\\033]2;✋  Action Required\\007'; exec sleep 60"]);
  const { LANG, LC_ALL } = process.env;
  delete process.env.LANG;
  process.env.LC_ALL = 'C';
  try {
    await waitFor(async () => (await onlyPane())?.title.endsWith('Action Required'));
    expect((await onlyPane())?.title).toBe('✋  Action Required');
    expect(await paneTitle(tmux, made.pane)).toBe('✋  Action Required');
  } finally {
    Object.assign(process.env, { LANG: LANG ?? '', LC_ALL: LC_ALL ?? '' });
  }
});

test('a missing tmux is named; a malformed pane line is refused', async () => {
  const view = await viewServer({ ...fake(''), binary: join(dir, 'nowhere') });
  expect(view.kind === 'unknown' && view.error).toContain('apt-get install tmux');
  expect(parsePane('$0|%0|12|1||KILL|5|9|1|3|3|r|T-1|a|b')?.pane.exit_signal).toBe(9);
  expect(parsePane('$0|%0|12|1|||5|9|1|3|5|r|T-1| a|b ')?.pane.title).toBe('a|b');
  expect(parsePane('$0|%0|12|1|||5|9|1|3|0|r|T-1')).toBeNull();
  // tmux 3.8 tells the process of a living pane only.
  expect(parsePane('$0|%0||1|7||5|9|1|3|1|r|T-1|a')?.pane).toMatchObject({ pid: null, dead: true });
  expect(parsePane('$0|%0||0|||5|9|1|3|1|r|T-1|a')).toBeNull();
});

test('what a pane says of itself is told as it is, in one question, and passes for nothing else', async () => {
  const made = await start(['sleep', '1000']);
  const calls = join(dir, 'calls');
  const binary = join(dir, 'counting');
  writeFileSync(binary, `#!/bin/sh\necho "$*" >>'${calls}'\nexec tmux "$@"\n`, { mode: 0o755 });
  const look = async () => {
    rmSync(calls, { force: true });
    const view = await viewServer({ ...tmux, binary });
    return { view, asked: readFileSync(calls, 'utf8').trim().split('\n').length };
  };
  const set = (...words: string[]) => spawnSync('tmux', ['-S', tmux.socket, ...words]);
  // Where a scheduler starts us no language is set.
  const before = process.env.LC_ALL;
  process.env.LC_ALL = 'C';
  try {
    set('-u', 'select-pane', '-t', made.pane, '-T', '\u25c7 R\u00e9ady | a');
    const ours = { run: 'r-1', ticket: 'MC-1', pid: made.pid, title: '\u25c7 R\u00e9ady | a' };
    expect(await look()).toMatchObject({ view: { kind: 'server', panes: [ours] }, asked: 1 });
    const another = '|MC-1|t\n$7|%77|1|0|||1|9|3|4|1|r-2|MC-2|t';
    for (const mark of [
      'x y',
      `x${another}`,
      `r-1|MC-1|t\n$7|%77|1|0|||1|9||||r-2`,
      'x'.repeat(129),
      'a\u00e9',
    ]) {
      set('set-option', '-p', '-t', made.pane, '@mc_run', mark);
      const { view, asked } = await look();
      expect(view, mark).toMatchObject({
        server_pid: made.server_pid,
        panes: [{ pid: made.pid, odd: true }],
      });
      expect(view, mark).toHaveProperty('panes.length', 1);
      expect(asked, mark).toBe(2);
    }
  } finally {
    if (before === undefined) delete process.env.LC_ALL;
    else process.env.LC_ALL = before;
  }
});

test('a paste arrives with its lines; into a dead pane it is refused and the server lives', async () => {
  const made = await start([
    'sh',
    '-c',
    'while IFS= read -r l; do echo "$l" >>got; [ "$l" = end ] && exit 0; done',
  ]);
  const paste = { pane: made.pane, run: 'r-1', enterDelayMs: 20 };
  expect(await pasteText(tmux, { ...paste, run: 'r-2', text: 'no' })).toBe('refused');
  expect(await pasteText(tmux, { ...paste, text: 'a b\nc\nend' })).not.toHaveProperty('error');
  await waitFor(async () => (await onlyPane())?.dead);
  expect(readFileSync(join(dir, 'got'), 'utf8')).toBe('a b\nc\nend\n');
  expect(await pasteText(tmux, { ...paste, text: 'late' })).toBe('refused');
  expect(lookAt(made.server_pid).kind).toBe('present');
});

test('stop ends the tree, a child that ignores TERM, and what left the tree with the mark', async () => {
  const mark = `stop-${process.pid}-${Date.now()}`;
  const script = `export MC_RUN_ID=${mark}; (trap '' TERM HUP; echo >a; exec sleep 1001) & setsid sleep 1002 & echo >b; wait`;
  const made = await start(['sh', '-c', script]);
  await waitFor(() => existsSync(join(dir, 'a')) && existsSync(join(dir, 'b')));
  const look = lookAt(made.pid);
  const self = lookAtSelf('h');
  if (look.kind !== 'present' || self.boot_id === null) throw new Error('no process');
  const identity = {
    host_id: 'h',
    boot_id: self.boot_id,
    pid_ns: self.pid_ns,
    time_ns: self.time_ns,
    pid: made.pid,
    pid_start: look.start,
  };
  const other = { ...identity, pid_start: '1' };
  expect(await stopProcess({ identity: other, mark: '', self, graceMs: 100 })).toEqual({
    ended: true,
    signalled: 0,
  });
  const stopped = await stopProcess({ identity, mark, self, graceMs: 300 });
  expect(stopped.ended).toBe(true);
  expect(stopped.signalled).toBeGreaterThanOrEqual(3);
});
