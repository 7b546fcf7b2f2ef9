/** Every parser of what this program did not write, with 10,000 made-up inputs each: none throws, none hangs, and what
 *  cannot be understood is refused. A failure prints its seed; `FUZZ_TIMES` makes it longer. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterOf } from '../../src/agents/index.ts';
import { loadPolicy } from '../../src/config/load.ts';
import { halted, readSwitches } from '../../src/machine/killswitch.ts';
import { parseStat } from '../../src/machine/proc.ts';
import { AGENT_KINDS } from '../../src/model/policy.ts';
import { renderPrompt } from '../../src/model/prompt.ts';
import { clean, oneLine } from '../../src/model/text.ts';
import { foldEvents } from '../../src/runs/events.ts';
import { readMarks, readRegistered, writeMark } from '../../src/runs/marks.ts';
import { readRunFile } from '../../src/runs/run-file.ts';
import { parsePlainTick } from '../../src/tick/words.ts';
import { parsePane } from '../../src/tmux/view.ts';
import { draws, fc } from '../support/draws.ts';

const numRuns = draws(10_000);
const check = <T>(one: fc.Arbitrary<T>, body: (value: T) => void): void =>
  fc.assert(
    fc.property(one, (value) => body(value)),
    { numRuns },
  );

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-fuzz-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Text as programs and people make it, and as they should not. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        '\u001b[201~',
        '\u0007',
        '\r\n',
        '\u202e',
        '\ud800',
        '#(id)',
        '$(id)',
        ';',
        '|',
        '"',
        "'",
        '{',
        '\0',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
);
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
  text,
);
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe('text for people', () => {
  it('never holds a control character, however it was made', () =>
    check(text, (value) => {
      expect(clean(value)).not.toMatch(CONTROL);
      expect(clean(clean(value))).toBe(clean(value));
      expect(oneLine(value, 40)).not.toMatch(/[\n\t]/);
      expect(oneLine(value, 40).length).toBeLessThanOrEqual(40);
    }));

  it('in a prompt stays inside its fence', () =>
    check(fc.tuple(text, text, text), ([title, body, words]) => {
      const prompt = renderPrompt(null, {
        ticket: { id: 'MC-1', title, body, priority: 2, labels: [title] },
        ...{ project: 'p', branch: 'b', worktree: '/w', attempt: 2, max_attempts: 3, resumed: false },
        previous: { branch: 'b', reason: words, words },
        left: { isNew: false, operation: 'rebase', onBranch: false, says: words },
        ...{ answers: [{ text: body, unsure: true }], program: 'mc-pickup', fence: 'f00dfeed' },
      });
      expect(prompt.startsWith('Work on ticket MC-1 ')).toBe(true);
      expect(prompt).not.toMatch(CONTROL);
    }));
});

describe('what the system tells', () => {
  it('/proc/PID/stat is read right whatever the name of the process is, or not at all', () => {
    check(text, (name) => {
      const between = ['64', ...Array.from({ length: 10 }, () => '0')];
      const rest = ['S', '7', '8', '9', '10', '-1', ...between, '3', '0', '4711', '0'].join(' ');
      const stat = {
        state: 'S',
        ppid: 7,
        pgrp: 8,
        session: 9,
        tty: 10,
        tpgid: -1,
        forked: true,
        threads: 3,
        start: '4711',
      };
      expect(parseStat(`12 (${name}) ${rest}\n`)).toEqual(stat);
    });
    check(text, (junk) => {
      const stat = parseStat(junk);
      if (stat !== null) expect(stat.start).toMatch(/^\d+$/);
    });
  });

  it('a line of tmux is understood whole, whatever its title is, or refused', () => {
    check(
      text.filter((title) => !title.includes('\n')),
      (title) => {
        const parsed = parsePane(`$1|%2|3|0|||1700000000|9||||run-1|MC-1|${title}`);
        expect(parsed?.pane).toMatchObject({ pane: '%2', pid: 3, run: 'run-1', ticket: 'MC-1', dead: false });
      },
    );
    check(fc.array(text, { maxLength: 16 }), (fields) => {
      const parsed = parsePane(fields.join('|'));
      if (parsed !== null) expect(parsed.pane.pane).toMatch(/^%\d+$/);
    });
  });
});

describe('files that anybody may have written', () => {
  it('a configuration is right, or complained of with file and line, and then nothing of it is used', () => {
    const file = join(dir, 'config.toml');
    const key = fc.constantFrom(
      'max_agents',
      'repo',
      'kind',
      'argv',
      'base',
      'ttl_minutes',
      'x',
      'on_idle',
      'env',
    );
    const value = fc.oneof(
      fc.integer().map(String),
      text.map((one) => JSON.stringify(one)),
      fc.constantFrom('true', '[]', '["a"]', '{}', '"/r"', '"command"', '1e400', 'nan', '[[', '"""'),
    );
    const line = fc.oneof(
      fc.tuple(key, value).map(([k, v]) => `${k} = ${v}`),
      fc.constantFrom('[limits]', '[project.p]', '[agent.a]', '[[route]]', '[project]', '[agent.a.env]', '#'),
      text,
    );
    check(fc.array(line, { maxLength: 8 }), (lines) => {
      writeFileSync(file, lines.join('\n'), { mode: 0o600 });
      const { policy } = loadPolicy(file, { HOME: '/h' });
      for (const complaint of policy.broken) expect(complaint).toMatch(/config\.toml:\d+:\d+: /);
      if (policy.broken.length > 0) expect(policy.agents.size + policy.projects.size).toBe(0);
    });
  });

  it('a killswitch that is not understood is on', () => {
    const file = join(dir, 'killswitch.json');
    check(json, (body) => {
      writeFileSync(file, body);
      const on = readSwitches({ killswitch: file }, {}, 1);
      let switches: unknown;
      try {
        const value: unknown = JSON.parse(body);
        switches =
          typeof value === 'object' && value !== null
            ? (value as { switches?: unknown }).switches
            : undefined;
      } catch {
        switches = undefined;
      }
      if (!Array.isArray(switches)) expect(halted(on)).not.toBeNull();
    });
  });

  it('a mark, a run file and a registration are right, or not there', () => {
    const [marks, runs] = [join(dir, 'marks'), join(dir, 'runs')];
    writeMark(marks, 'MC-1', {
      run: 'r',
      host_id: 'h',
      boot_id: 'b',
      pid_ns: null,
      time_ns: null,
      pid: 2,
      pid_start: '3',
    });
    mkdirSync(join(runs, 'r'), { recursive: true });
    check(json, (body) => {
      writeFileSync(join(marks, 'MC-1.json'), body);
      writeFileSync(join(runs, 'r', 'run.json'), body);
      writeFileSync(join(runs, 'r', 'registered.json'), body);
      for (const mark of readMarks(marks)) expect(Number.isSafeInteger(mark.pid)).toBe(true);
      expect(readRunFile(runs, 'r')?.run ?? 'r').toBe('r');
      const registered = readRegistered(join(runs, 'r'));
      if (registered !== null) expect(Number.isSafeInteger(registered.pid)).toBe(true);
    });
  });
});

describe('what agents tell', () => {
  const KINDS = [
    ...[
      'busy',
      'idle',
      'waiting',
      'UserPromptSubmit',
      'PreToolUse',
      'PermissionRequest',
      'Notification',
      'Stop',
    ],
    ...[
      'StopFailure',
      'SessionStart',
      'BeforeAgent',
      'BeforeTool',
      'AfterAgent',
      'Status',
      'Error',
      'Permission',
    ],
    ...['Question', 'Prompt', 'Interrupt', 'PostToolUse'],
  ];
  it.each(AGENT_KINDS)('an event of %s is understood or passed over', (kind) => {
    const adapter = adapterOf(kind);
    const payload = fc.dictionary(
      fc.constantFrom(
        'session_id',
        'tool_name',
        'tool_input',
        'error',
        'message',
        'background_tasks',
        'status',
        'details',
        'x',
      ),
      fc.jsonValue({ maxDepth: 3 }),
    );
    check(fc.tuple(fc.constantFrom(...KINDS), payload), ([name, body]) => {
      const meaning = adapter.mapEvent(name, body as Readonly<Record<string, unknown>>);
      if (meaning?.activity !== undefined)
        expect(['busy', 'waiting', 'idle', 'unknown']).toContain(meaning.activity);
      if (meaning?.question !== undefined) expect(typeof meaning.question).toBe('string');
      if (meaning?.session !== undefined) expect(typeof meaning.session).toBe('string');
    });
  });

  it('an event file may hold anything', () => {
    const events = join(dir, 'events');
    mkdirSync(events);
    const row = {
      ...{ activity: 'unknown' as const, question: null, turn: 0, client_session: null, events_cursor: null },
      ...{ limited_until_ms: null, not_ready: null },
    };
    check(json, (body) => {
      writeFileSync(join(events, 'waiting.a'), body);
      expect(foldEvents(events, row, adapterOf('command'))).toMatchObject({ fresh: 1, activity: 'waiting' });
    });
  });

  it.each(AGENT_KINDS)('a screen of %s means a known thing or nothing', (kind) => {
    const { notReady, limitShown } = adapterOf(kind);
    check(text, (screen) => {
      expect(typeof (notReady?.(screen) ?? '')).toBe('string');
      expect(limitShown?.(screen, 0) ?? null).toBeNull();
    });
  });
});

describe('the command line of a scheduler', () => {
  it('is taken by the short way only where every word of it is certainly right', () => {
    const word = fc.oneof(
      fc.constantFrom(
        'dispatch',
        'reconcile',
        '--json',
        '--quiet',
        '--no-color',
        '--max',
        '--project',
        '--config',
        '3',
        '--dry-run',
        '--state-dir=/s',
        '-x',
      ),
      text,
    );
    check(fc.array(word, { maxLength: 6 }), (argv) => {
      const tick = parsePlainTick(argv);
      if (tick === null) return;
      expect(argv.includes('dispatch') || argv.includes('reconcile')).toBe(true);
      expect(argv).not.toContain('--dry-run');
      expect(argv).not.toContain('-x');
      if (tick.max !== undefined) expect(Number.isSafeInteger(tick.max)).toBe(true);
    });
  });
});
