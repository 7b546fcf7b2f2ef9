/** The module that opens what agents can write, with the real things: links, hard links, pipes, devices, sparse files, deep trees. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bytesOf,
  inDir,
  inMadeDir,
  namesAt,
  namesIn,
  openLog,
  removeFileAt,
  removeIn,
  tailAt,
  textAt,
  writeFileAt,
  writeIn,
} from '../../src/machine/foreign.ts';
import { removeTreeIn } from '../../src/machine/remove-tree.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-foreign-')));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const ODD: readonly (readonly [string, (path: string) => void])[] = [
  ['a pipe', (path) => void execFileSync('mkfifo', [path])],
  ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
  ['a device', (path) => void spawnSync('mknod', [path, 'c', '1', '5'])],
  ['a link to a file', (path) => symlinkSync('/etc/hostname', path)],
  ['a link to nothing', (path) => symlinkSync('/nowhere', path)],
  ['a directory', (path) => mkdirSync(path)],
  [
    'a sparse file of 10 GB',
    (path) => {
      const fd = openSync(path, 'wx');
      ftruncateSync(fd, 10 * 1024 ** 3);
      closeSync(fd);
    },
  ],
];

describe('a file', () => {
  it.each(ODD)('that is %s can not be read as a whole', (_, make) => {
    const path = join(dir, 'file');
    make(path);
    expect([textAt(path), bytesOf(path)]).toEqual([null, null]);
  });

  it('is read whole, or its end, and no more than was asked for', () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'one\ntwo\n');
    expect(textAt(path)).toBe('one\ntwo\n');
    expect(textAt(path, { most: 7 })).toBeNull();
    expect(tailAt(path, 4)).toEqual({ text: 'two\n', cut: true });
    // What the kernel makes up has no size, and no end may be waited for.
    expect(textAt('/proc/self/status')).toBe('');
  });

  it.skipIf(process.getuid?.() !== 0)("is not read where it is another user's", () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'theirs');
    execFileSync('chown', ['12345', path]);
    expect(textAt(path)).toBeNull();
  });

  it('is written in place of a link or a hard link, never through it', () => {
    const victim = join(dir, 'victim');
    writeFileSync(victim, 'precious');
    const soft = join(dir, 'soft');
    const hard = join(dir, 'hard');
    symlinkSync(victim, soft);
    linkSync(victim, hard);
    for (const path of [soft, hard]) writeFileAt(path, 'new');
    expect([readFileSync(victim, 'utf8'), readFileSync(soft, 'utf8'), readFileSync(hard, 'utf8')]).toEqual([
      'precious',
      'new',
      'new',
    ]);
    expect(lstatSync(soft).isFile()).toBe(true);
    for (const name of ['a', 'b']) rmSync(join(dir, name), { force: true });
    symlinkSync(victim, join(dir, 'a'));
    linkSync(victim, join(dir, 'b'));
    for (const name of ['a', 'b']) expect(() => openLog(join(dir, name))).toThrow();
    removeFileAt(join(dir, 'a'));
    expect([existsSync(join(dir, 'a')), readFileSync(victim, 'utf8')]).toEqual([false, 'precious']);
  });

  it('is not written, and no log opened, where a directory on the way is a link', () => {
    mkdirSync(join(dir, 'real'));
    symlinkSync(join(dir, 'real'), join(dir, 'link'));
    expect(() => writeFileAt(join(dir, 'link', 'file'), 'x')).toThrow(/no directory of its own/);
    writeFileSync(join(dir, 'real', 'file'), 'kept');
    removeFileAt(join(dir, 'link', 'file'));
    expect(readdirSync(join(dir, 'real'))).toEqual(['file']);
  });
});

describe('a directory below a root', () => {
  it('is used where the root is behind a link, and not where a part below it is one', () => {
    mkdirSync(join(dir, 'root', 'a', 'b'), { recursive: true });
    symlinkSync(join(dir, 'root'), join(dir, 'alias'));
    const use = (root: string, below: string) => inDir(join(dir, root), below, () => 'used');
    expect([use('root', 'a/b'), use('alias', 'a/b'), use('root', 'a/none')]).toEqual(['used', 'used', null]);
    symlinkSync('a', join(dir, 'root', 'c'));
    symlinkSync('b', join(dir, 'root', 'a', 'd'));
    expect([use('root', 'c/b'), use('root', 'c'), use('root', 'a/d')]).toEqual([null, null, null]);
    writeFileSync(join(dir, 'root', 'file'), '');
    execFileSync('mkfifo', [join(dir, 'root', 'pipe')]);
    expect([use('root', 'file'), use('root', 'pipe')]).toEqual([null, null]);
  });

  it('is the one that was opened, whatever takes its name meanwhile', () => {
    for (const one of ['run', 'victim']) {
      mkdirSync(join(dir, one, 'events'), { recursive: true });
      writeFileSync(join(dir, one, 'events', 'busy.1'), one);
    }
    inDir(dir, 'run/events', (events) => {
      execFileSync('mv', [join(dir, 'run'), join(dir, 'away')]);
      symlinkSync(join(dir, 'victim'), join(dir, 'run'));
      for (const name of namesIn(events).names) removeIn(events, name);
      writeIn(events, 'new', 'new');
    });
    expect(readdirSync(join(dir, 'victim', 'events'))).toEqual(['busy.1']);
    expect(readdirSync(join(dir, 'away', 'events'))).toEqual(['new']);
  });

  it('is made part by part, and not through a link', () => {
    expect(inMadeDir(join(dir, 'state'), 'own/r-1', () => 1)).toBe(1);
    expect(lstatSync(join(dir, 'state', 'own', 'r-1')).mode & 0o777).toBe(0o700);
    symlinkSync(dir, join(dir, 'state', 'runs'));
    expect(() => inMadeDir(join(dir, 'state'), 'runs/r-1/events', () => 1)).toThrow(
      /no directory of its own/,
    );
    expect(readdirSync(dir)).toEqual(['state']);
  });

  it('has no more names than are asked for, long ones too', () => {
    for (let n = 0; n < 300; n++) writeFileSync(join(dir, `${n}`.padStart(255, 'x')), '');
    expect(inDir(dir, '', (open) => namesIn(open, 100))).toMatchObject({ cut: true, names: { length: 100 } });
    expect(inDir(dir, '', (open) => namesIn(open))).toMatchObject({ cut: false, names: { length: 300 } });
    expect(namesAt(dir, 7)).toHaveLength(7);
    expect(namesAt(join(dir, 'none'))).toEqual([]);
  });
});

describe('a tree', () => {
  it('goes with all that is below it, however deep; what links lead to stays', () => {
    mkdirSync(join(dir, 'precious'));
    writeFileSync(join(dir, 'precious', 'thesis'), 'x');
    // Deeper than any path may be long.
    const deep = `const fs = require('node:fs');
      for (let n = 0; n < 600; n++) { fs.mkdirSync('dddddddddd'); process.chdir('dddddddddd'); fs.writeFileSync('f', ''); }`;
    execFileSync(process.execPath, ['-e', deep], { cwd: dir });
    execFileSync('mv', [join(dir, 'dddddddddd'), join(dir, 'tree')]);
    symlinkSync(join(dir, 'precious'), join(dir, 'tree', 'link'));
    linkSync(join(dir, 'precious', 'thesis'), join(dir, 'tree', 'hard'));
    execFileSync('mkfifo', [join(dir, 'tree', 'pipe')]);
    // A name that is no text: it was found in no list, and looked for without end.
    const odd = Buffer.concat([Buffer.from(join(dir, 'tree', 'dddddddddd/')), Buffer.from([0xff, 0xfe])]);
    mkdirSync(odd);
    writeFileSync(Buffer.concat([odd, Buffer.from([0x2f, 0xe4])]), '');
    expect(inDir(dir, '', (open) => removeTreeIn(open, 'tree'))).toBe(true);
    expect(readdirSync(dir)).toEqual(['precious']);
    expect(readFileSync(join(dir, 'precious', 'thesis'), 'utf8')).toBe('x');
  });

  it('that is a link goes as a link; one that is large goes in parts', () => {
    mkdirSync(join(dir, 'precious'));
    writeFileSync(join(dir, 'precious', 'thesis'), 'x');
    symlinkSync('precious', join(dir, 'link'));
    expect(inDir(dir, '', (open) => removeTreeIn(open, 'link'))).toBe(true);
    mkdirSync(join(dir, 'large'));
    for (let n = 0; n < 50; n++) writeFileSync(join(dir, 'large', String(n)), '');
    expect(inDir(dir, '', (open) => removeTreeIn(open, 'large', { left: 20 }))).toBe(false);
    expect(readdirSync(join(dir, 'large'))).toHaveLength(30);
    expect(inDir(dir, '', (open) => removeTreeIn(open, 'large', { left: 100 }))).toBe(true);
    expect(readdirSync(dir)).toEqual(['precious']);
    expect(readdirSync(join(dir, 'precious'))).toEqual(['thesis']);
  });
});

describe("a client's own record", () => {
  const session = '019b0000-0000-7000-8000-000000000000';
  const day = new Date(0x019b00000000).toISOString().slice(0, 10).replaceAll('-', '/');
  const RECORDS = [
    ['claude', `.claude/projects/-w/${session}.jsonl`],
    ['claude', '.claude/sessions/1.json'],
    ['codex', `.codex/sessions/${day}/rollout-x-${session}.jsonl`],
    ['gemini', `.gemini/tmp/w/chats/session-x-${session.slice(0, 8)}.jsonl`],
    ['gemini', '.gemini/tmp/w/.project_root'],
    ['opencode', '.local/share/opencode/opencode.db'],
    ['opencode', 'run/opencode-usage.json'],
    ['opencode', 'run/opencode-password'],
  ] as const;

  it.each(ODD)('that is %s holds nobody up', (_, make) => {
    for (const [, name] of RECORDS) {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      make(join(dir, name));
    }
    if (!existsSync(join(dir, 'w'))) mkdirSync(join(dir, 'w'));
    // In a process of its own: one that waits for a pipe could not be ended from within.
    const code = `
      import { adapterOf } from ${JSON.stringify(join(process.cwd(), 'src/agents/index.ts'))};
      const look = { runDir: ${JSON.stringify(join(dir, 'run'))}, worktree: '/w', env: { HOME: ${JSON.stringify(dir)} },
        pid: 1, pid_start: '1', session: process.argv[1], title: null };
      for (const kind of ['claude', 'codex', 'gemini', 'opencode']) {
        const adapter = adapterOf(kind);
        const one = kind === 'opencode' ? { ...look, session: 'ses_1' } : look;
        await adapter.level?.(one);
        adapter.transcript?.(one); adapter.usage?.(one); adapter.resumable?.(one);
      }
      console.log('looked');`;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', code, session], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(done).toMatchObject({ status: 0, stdout: 'looked\n' });
  });
});
