/** Wrappers that start a client in the ways that people write them, killed under it: the client is followed, and what tools they leave are not. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rig, state } from '../support/rig.ts';
import { end, LIMITS, until } from '../support/sandbox.ts';

/** What the profile starts: the text of a script, or a whole command line. CLIENT and SERVER stand for two programs. */
interface Case {
  readonly text?: string;
  readonly argv?: readonly string[];
}

const sh = (text: string): Case => ({ text: `#!/bin/sh\n${text}\n` });
const SERVER = 'SERVER >/dev/null 2>&1 &';

const CASES: Readonly<Record<string, Case>> = {
  'in the background, waited for': sh('CLIENT &\nwait'),
  'in the background, waited for by its number': sh(
    `${SERVER}\nCLIENT "$MC_PROMPT_FILE" & pid=$!\ntrap 'kill "$pid"' TERM\nwait "$pid"`,
  ),
  'in the background, watched': sh(
    'CLIENT &\nclient=$!\nwhile kill -0 $client 2>/dev/null; do sleep 1; done',
  ),
  'in the background, and then another program in place of the wrapper': sh(
    'CLIENT &\nexec tail -f /dev/null',
  ),
  'in the background of bash with job control': { text: '#!/bin/bash\nset -m\nCLIENT &\nwait $!\n' },
  'in a group in the background': sh('{ cd . && CLIENT; } >/dev/null 2>&1 &\nwait'),
  'by a name in a variable': sh(
    `${SERVER}\nagent=\${AGENT:-CLIENT}\n"$agent" --yes </dev/null >/dev/null 2>&1`,
  ),
  'by its name in a directory': sh('PATH=$(dirname CLIENT):$PATH\nNAME </dev/null'),
  'with its prompt to read': sh(`${SERVER}\nCLIENT <"$MC_PROMPT_FILE" >out.txt 2>&1`),
  'in a pipe': sh(`${SERVER}\ncat "$MC_PROMPT_FILE" | CLIENT 2>&1 | tee out.txt`),
  'behind a server': sh(`${SERVER}\nsleep 600 &\nCLIENT </dev/null`),
  'by setsid': sh(`${SERVER}\nsetsid CLIENT`),
  'by setsid in the background': sh('setsid CLIENT &\nwait'),
  'by setsid --fork': sh('setsid --fork CLIENT </dev/null >/dev/null 2>&1\nsleep 600'),
  'by nohup': sh(`${SERVER}\nnohup CLIENT >/dev/null 2>&1`),
  'by nohup in the background': sh('nohup CLIENT >/dev/null 2>&1 &\nwait $!'),
  'by script': sh(`${SERVER}\nscript -qc "CLIENT --yes" /dev/null`),
  'by timeout': sh(`${SERVER}\ntimeout -k 5s 600 CLIENT </dev/null`),
  'by nice': sh('nice -n 5 CLIENT </dev/null &\nwait'),
  'by env -i': sh(
    'env -i PATH="$PATH" MC_TICKET_ID="$MC_TICKET_ID" MC_PICKUP_STATE_DIR="$MC_PICKUP_STATE_DIR" CLIENT </dev/null &\nwait',
  ),
  'by stdbuf': sh(`${SERVER}\nstdbuf -oL CLIENT </dev/null | cat`),
  'by bash -lc': { argv: ['bash', '-lc', 'SERVER >/dev/null 2>&1 & CLIENT & wait $!'] },
  'behind a server, in a line of shell': { argv: ['sh', '-c', 'SERVER </dev/null & CLIENT; echo ended'] },
  'by npx': { argv: ['npx', '--no-install', 'CLIENT'] },
  'by Python': {
    text: '#!/usr/bin/env python3\nimport subprocess\nsubprocess.Popen(["CLIENT"]).wait()\n',
  },
  'by Python, with its prompt': {
    text: `#!/usr/bin/env python3
import os, subprocess
subprocess.Popen(["SERVER"], stdin=subprocess.DEVNULL)
subprocess.Popen(["CLIENT"], stdin=open(os.environ["MC_PROMPT_FILE"]), stdout=subprocess.PIPE, start_new_session=True).wait()
`,
  },
  'by Python, in a script without a first line': {
    argv: ['python3', 'FILE'],
    text: 'import os, subprocess\nsubprocess.Popen(["CLIENT", "--prompt=" + os.environ["MC_PROMPT_FILE"]], stdin=subprocess.DEVNULL).wait()\n',
  },
  'by a shell, in a script without a first line': {
    argv: ['bash', 'FILE'],
    text: `${SERVER}\nCLIENT & wait $!\n`,
  },
  'by a wrapper of a wrapper': { text: '#!/bin/sh\nINNER &\nwait\n' },
};

/** Scripts that are agents themselves, with a server that outlives them. */
const TOOLS: Readonly<Record<string, Case>> = {
  'a script with a server': sh(`${SERVER}\nKEEP`),
  'a script with a server in a session of its own': sh('setsid SERVER </dev/null >/dev/null 2>&1 &\nKEEP'),
  'a script with a server at its terminal': sh('SERVER &\nKEEP'),
  'a script with a server by nohup, and a sleep': sh('nohup SERVER >/dev/null 2>&1 &\nsleep 600 &\nKEEP'),
  'a line of shell with a server': { argv: ['bash', '-c', 'SERVER >/dev/null 2>&1 & KEEP'] },
  'a client in front of which a server is started': sh('SERVER </dev/null &\nexec SELF'),
  'an agent in Python, with a server and one at a pipe': {
    text: `#!/usr/bin/env python3
import os, subprocess, time
subprocess.Popen(["SERVER"], stdin=subprocess.DEVNULL)
subprocess.Popen(["SERVER"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
with open(os.environ["MC_PICKUP_STATE_DIR"] + "/notes/" + os.environ["MC_TICKET_ID"] + ".client", "a") as f: f.write(str(os.getpid()) + "\\n")
time.sleep(600)
`,
  },
};
const KEEP = `n=$MC_PICKUP_STATE_DIR/notes; echo $$ >>$n/$MC_TICKET_ID.client; while :; do sleep 600; done`;

let rig: Rig;
const ids = new Map<string, string>();
beforeAll(() => {
  rig = new Rig();
});
afterAll(async () => {
  // They are deaf to the hang-up of their terminal.
  for (const pid of rig.box.processes()) end(pid);
  await rig.box.destroy();
});

function program(name: string, text: string): string {
  const file = join(rig.box.dir, name);
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

const NOTES = 'n=$MC_PICKUP_STATE_DIR/notes; mkdir -p $n';
const pids = (name: string): number[] => rig.box.note(name).split('\n').filter(Boolean).map(Number);
const lives = (pid: number): boolean => ![null, 'Z'].includes(state(pid));
const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');

it('every one of them is followed, none has a second agent, and no server or sleep keeps a ticket', async () => {
  const tables = Object.entries({ ...CASES, ...TOOLS }).map(([name, { text, argv }], n) => {
    const stay = (what: string) =>
      `#!/bin/sh\ntrap '' HUP PIPE; ${NOTES}; echo $$ >>$n/$MC_TICKET_ID.${what}; while :; do sleep 600; done\n`;
    const client = program(`agent-${n}`, stay('client'));
    const server = program(`server-${n}.sh`, stay('server'));
    const filled = (word: string): string =>
      word
        .replaceAll('INNER', program(`inner-${n}`, `#!/bin/sh\n${client} &\nwait\n`))
        .replaceAll('CLIENT', client)
        .replaceAll('SELF', client)
        .replaceAll('KEEP', KEEP)
        .replaceAll('SERVER', server)
        .replaceAll('NAME', `agent-${n}`);
    const file = program(`wrapper-${n}`, filled(text ?? ''));
    const words = argv?.map((word) => (word === 'FILE' ? file : filled(word))) ?? [file];
    ids.set(name, '');
    return `[agent.a${n}]\nkind = "command"\nargv = ${JSON.stringify(words)}\n`;
  });
  rig.configure({
    limits: LIMITS.replace(/max_agents = .*\n/, '')
      .replace(/max_launches_per_tick = .*\n/, '')
      .replace(
        '[limits]',
        '[limits]\nmax_agents = 64\nmax_launches_per_tick = 64\nmass_death = { count = 0, minutes = 1 }',
      ),
    more: tables.join('\n'),
  });
  [...ids.keys()].forEach((name, n) => {
    const words = ['--project', 'demo', '--agent', `a${n}`, '--title', 'Do', '--body', 'x', '--json'];
    ids.set(name, (JSON.parse(rig.box.run(['ticket', 'add', ...words]).out) as { id: string }).id);
  });
  mkdirSync(join(rig.box.state, 'notes'), { recursive: true });
  const all = [...ids];
  const isClient = (n: number): boolean => n < Object.keys(CASES).length;
  const each = <T>(tell: (id: string, n: number) => T): Record<string, T> =>
    Object.fromEntries(all.map(([name, id], n) => [name, tell(id, n)]));
  rig.tick();
  const begun = (id: string): boolean => pids(`${id}.client`).length > 0;
  await until(() => all.every(([, id]) => begun(id)));
  expect(each(begun)).toEqual(each(() => true));
  rig.tick();
  const was = each((id) => rig.run(id));
  for (const { pid } of Object.values(was)) end(pid);
  for (const { pid } of Object.values(was)) await rig.gone(pid);
  expect(each((id) => pids(`${id}.client`).every(lives))).toEqual(each((_, n) => isClient(n)));
  // Nothing is launched beside what is left, so that each verdict is seen.
  rig.box.run(['killswitch', 'on', '--level', 'dispatch']);
  const { reconcile } = rig.tick();
  const kinds = each((id) => reconcile.find(({ ticket }) => ticket === id)?.kind);
  expect(kinds).toEqual(each((_, n) => (isClient(n) ? 'follow' : 'retry')));
  expect(each((id) => rig.live(id)?.id)).toEqual(
    each((_, n) => (isClient(n) ? was[all[n]?.[0] ?? '']?.id : undefined)),
  );
  const follows = (id: string, n: number): boolean =>
    isClient(n) && !commandOf(rig.run(id).pid).includes('server-');
  expect(each(follows)).toEqual(each((_, n) => isClient(n)));

  // What has ended has ended, whatever tools it has left.
  for (const [, id] of all) for (const pid of pids(`${id}.client`)) end(pid);
  const ended = (id: string): boolean => {
    if (rig.live(id) === undefined) return true;
    const { pid } = rig.run(id);
    if (lives(pid)) end(pid); // what has started the client, and goes on for a while
    return false;
  };
  await until(() => {
    rig.tick();
    return all.every(([, id]) => ended(id));
  }, 8000);
  expect(each(ended)).toEqual(each(() => true));
  for (const [, id] of all) for (const pid of pids(`${id}.server`)) expect(lives(pid)).toBe(true);
});
