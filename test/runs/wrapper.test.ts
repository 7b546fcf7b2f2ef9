import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startedBy } from '../../src/runs/wrapper.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-wrapper-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function script(name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  return file;
}

/** What a script of shell starts as the client, without its own name. */
const clients = (text: string): string =>
  startedBy([script('wrapper', `#!/bin/sh\n${text}\n`)], dir)
    .own.slice(1)
    .join(' ');

describe('the client of a wrapper script is', () => {
  it.each([
    ['/x/client', '/x/client'],
    ['server &\n/x/client --mcp server.js', '/x/client'],
    ['npm ci >/dev/null 2>&1 && client', 'ci client'],
    ['server & sleep 5; client </dev/null >out.txt 2>&1', 'client'],
    ['result=$(client --print)\necho "$result"', 'client'],
    ['if ! client; then echo failed; fi', 'client'],
    ['(cd sub && client) || exit 1', 'client'],
    ['# server\ncat <<EOF\nserver\nEOF\nclient', 'client'],
    ["trap 'kill $server; wait $server' EXIT\nserver & server=$!\nclient", 'client'],
    ['case $1 in\na) client ;;\nesac', 'client'],
    ['CLIENT=/x/client\nFLAG=1 "$CLIENT" --flag', '/x/client'],
    ['exec ${CLIENT:-/x/client}', '/x/client'],
    ['env -i A=b nice -n 5 timeout -k 5s 60 client --flag word', 'client'],
    ['npx -y client --mcp server.js', 'client'],
    ['uv run client', 'client'],
    ['node /x/client.js --mcp server.js', '/x/client.js'],
    ['script -qc "client --yes" /dev/null', 'client /dev/null'],
    ["bash -lc 'server & client'", 'client'],
    ['run() { client; }\nstart() { server; }\nstart &\nrun', 'client run'],
    ['tail -f log', ''],
  ])('what runs in front: %j', (text, found) => {
    expect(clients(text)).toBe(found);
  });

  it.each([
    ['client &\nwait', 'client'],
    ['client & other & wait', 'client other'],
    ['sleep 600 & client & wait -n', 'client'],
    ['server &\nclient & pid=$!\nwait "$pid"', 'client'],
    ['client & wait $!', 'client'],
    ['set -m; client & fg', 'client'],
    ['client & pid=$!; while kill -0 "$pid"; do sleep 1; done', 'client'],
    ['client & pid=$!; tail --pid=$pid -f log', 'client'],
    ['{ cd sub && client; } >log 2>&1 &\nwait', 'client'],
    ['while :; do client; done & wait', 'client'],
    ['run() { client; }\nrun & wait', 'client run'],
    ['client &\nexec tail -f log', 'client'],
    ['setsid client &', 'client'],
    ['nohup client >/dev/null 2>&1 & disown; exit 0', 'client'],
    ['client &\nsleep 0.2\nexit 3', 'client'],
    ['( ( client & ) & )\nsleep 2s; echo started', 'client'],
  ])('what runs in the background, and the script is there for: %j', (text, found) => {
    expect(clients(text)).toBe(found);
  });

  it.each([
    ['server &\nclient "$MC_PROMPT_FILE" &\nmonitor', 'client monitor'],
    ['server & client "$@" & wait', 'client'],
    ['cat "$MC_PROMPT_FILE" | client &\nwait', 'client'],
    ['server & client <"$MC_PROMPT_FILE" & wait', 'client'],
  ])('what is given the prompt: %j', (text, found) => {
    expect(clients(text)).toBe(found);
  });

  it.each([
    'server &\nwhile :; do sleep 1; done',
    'setsid server >/dev/null 2>&1 &\necho $! >tool\nwhile :; do sleep 0.05; done',
    'server & pid=$!; trap "kill $pid" EXIT; sleep 600',
    'git fetch & git log; sleep 600',
  ])('nothing but the script itself: %j', (text) => {
    expect(clients(text)).toBe('');
  });

  it('that of the wrapper that a wrapper starts, not for ever', () => {
    const inner = script('inner', '#!/usr/bin/env bash\nclient &\nwait\n');
    expect(clients(`${inner} &\nwait`)).toBe(`${inner} client`);
    const circle = join(dir, 'circle');
    script('circle', `#!/bin/sh\n${circle}\n`);
    expect(startedBy([circle], dir).own.length).toBeLessThan(10);
  });

  it('named by scripts of other languages, and by code of them, among other words', () => {
    const python = script('wrapper.py', 'import subprocess\nsubprocess.run(["/x/client"])\n');
    expect(startedBy(['python3', python], dir).named).toContain('/x/client');
    expect(startedBy(['python3', '-c', 'import os; os.system("/x/client")'], dir).own).toContain('/x/client');
    expect(startedBy(['bash', script('plain.sh', 'server & client\n')], dir).own).toContain('client');
    expect(startedBy(['sh', '-c', 'server & client "$1"'], dir).own).toEqual(['sh', '-c', 'client']);
  });

  it('read from any text within a bound, whatever stands in it', () => {
    for (const text of [
      '"',
      "'",
      '`',
      '$(',
      '${',
      '(',
      ')',
      '}',
      '&',
      '<',
      '<<',
      '<<A\n',
      '\\',
      'f() {',
      '$((1<<2))',
      '((x))',
    ])
      for (const more of ['', ' client', '\nclient &\nwait'])
        expect(() => clients(text + more)).not.toThrow();
    // None of these takes longer than its length.
    clients('$('.repeat(20_000));
    clients('a <<A\n'.repeat(8000));
    clients('x & wait\n'.repeat(7000));
  });
});

it('a script whose values are added to themselves is read all the same', () => {
  const doubled = `all=0123456789\n${'all=$all:$all\n'.repeat(60)}`;
  expect(clients(`${doubled}client "$all"`)).toBe('client');
});
