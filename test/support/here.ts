/**
 * The program without the start of a Node: its bundles, loaded as `bin/mc-pickup.js` loads them, each time anew, so that nothing is
 * remembered from one call to the next. What they know as their process has an environment, arguments and streams of its own; the rest,
 * such as its id, is this process's. For commands whose work is what is tested: a start costs several times as much.
 */
import * as childProcess from 'node:child_process';
import { EventEmitter } from 'node:events';
import * as fs from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import type { Ran } from './sandbox.ts';

const DIST = join(import.meta.dirname, '../../dist');

/** What a process reads of its environment before the program does. */
const OF_A_PROCESS = ['NODE_OPTIONS', 'LD_PRELOAD', 'TZ', 'MC_PICKUP_DEBUG', 'MC_PICKUP_FAILPOINT'];

type Wrapped = (
  exports: object,
  require: (name: string) => unknown,
  module: object,
  filename: string,
  dirname: string,
  loadBeside: (name: string) => unknown,
  process: NodeJS.Process,
) => void;

interface Main {
  main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number>;
}

/** Runs the program to its end. `bin`: the script that launchers and agents are told to call back. */
export async function runHere(
  bin: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input = '',
): Promise<Ran> {
  const missed = OF_A_PROCESS.filter((name) => env[name] !== undefined);
  if (missed.length > 0) throw new Error(`${missed.join(', ')} would tell nothing here: use run`);
  const told = { out: '', err: '' };
  const umask = process.umask();
  const { own, leave } = aProcess([process.execPath, bin, ...args], env, told);
  const require = requireFor(bin, own, input);
  const load = (name: string): unknown => {
    const module = { exports: {} };
    scriptOf(name)(module.exports, require, module, join(DIST, name), DIST, load, own);
    return module.exports;
  };
  try {
    await (load('main.cjs') as Main).main(args, own.env);
    return { code: Number(own.exitCode ?? 0), ...told };
  } finally {
    process.umask(umask);
    leave();
  }
}

const compiled = new Map<string, Wrapped>();

function scriptOf(name: string): Wrapped {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const head = '(function (exports, require, module, __filename, __dirname, loadBeside, process) {';
  const source = fs.readFileSync(join(DIST, name), 'latin1');
  const options = { filename: join(DIST, name), columnOffset: -head.length };
  const made = new Script(`${head}${source}\n})`, options).runInThisContext() as Wrapped;
  compiled.set(name, made);
  return made;
}

type Told = { out: string; err: string };

/** A process that has its own words, and else is this one. */
function aProcess(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  told: Told,
): { readonly own: NodeJS.Process; leave(): void } {
  const heard: [event: string, listener: () => void][] = [];
  const hear = (to: 'on' | 'once') => (event: string, listener: () => void) => {
    heard.push([event, listener]);
    process[to](event, listener);
  };
  const values: Record<string, unknown> = {
    ...{ argv, env: { ...env }, exitCode: undefined, exit: () => undefined },
    ...{ stdout: aStream(told, 'out'), stderr: aStream(told, 'err'), stdin: { isTTY: false, fd: 0 } },
    ...{ on: hear('on'), once: hear('once'), dlopen, kill },
    getBuiltinModule: (name: string) => builtin(name, own),
  };
  const own = new Proxy(process, {
    get(target, name) {
      if (Object.hasOwn(values, name)) return values[String(name)];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' && name in EventEmitter.prototype ? value.bind(target) : value;
    },
    set(_, name, value) {
      values[String(name)] = value;
      return true;
    },
  });
  const leave = (): void => {
    for (const [event, listener] of heard) process.off(event, listener);
  };
  return { own, leave };
}

/** A tick that ends whoever holds others up would end this process: such ticks are none to be run here. */
function kill(pid: number, signal?: NodeJS.Signals | 0): true {
  if (pid === process.pid && signal !== 0)
    throw new Error('would end the process of the tests: use run, not here');
  return process.kill(pid, signal);
}

const native = new Map<string, object>();

/** A native module, once for all calls: what it is given it never lets go, but for the next one. */
function dlopen(module: { exports: object }, file: string): void {
  if (!native.has(file)) {
    process.dlopen(module, file);
    native.set(file, module.exports);
  }
  // The errors that it throws are of the class that it is given last.
  module.exports = Object.assign(native.get(file) ?? {}, { isInitialized: false });
}

function aStream(told: Told, name: keyof Told): object {
  const stream = {
    write(text: string | Uint8Array, ...rest: readonly unknown[]) {
      told[name] += typeof text === 'string' ? text : Buffer.from(text).toString();
      const done = rest.at(-1);
      if (typeof done === 'function') setImmediate(() => done());
      return true;
    },
    on: () => stream,
    once: () => stream,
    listenerCount: () => 0,
  };
  return stream;
}

/** A module of Node; programs are started with the environment of the process that starts them. */
function builtin(name: string, own: NodeJS.Process): unknown {
  if (!/^(node:)?child_process$/.test(name)) return process.getBuiltinModule(name);
  const { spawn, spawnSync } = childProcess;
  const within = (options: object) => ({ env: own.env, ...options });
  return {
    ...childProcess,
    spawn: (file: string, args: string[], options: object) => spawn(file, args, within(options)),
    spawnSync: (file: string, args: string[], options: object) => spawnSync(file, args, within(options)),
  };
}

/** The modules of Node; what is written to and read from the streams by their numbers is as in a process of its own. */
function requireFor(bin: string, own: NodeJS.Process, input: string): (name: string) => unknown {
  const real = createRequire(bin);
  const over = {
    ...fs,
    writeSync: (fd: number, what: string | Uint8Array, ...rest: readonly number[]) => {
      if (fd !== 1 && fd !== 2) return (fs.writeSync as (...all: unknown[]) => number)(fd, what, ...rest);
      (fd === 1 ? own.stdout : own.stderr).write(what);
      return what.length;
    },
    readFileSync: (file: unknown, ...rest: readonly unknown[]) =>
      file === 0 ? input : (fs.readFileSync as (...all: unknown[]) => unknown)(file, ...rest),
  };
  return (name) => {
    if (name === 'node:fs' || name === 'fs') return over;
    if (name === 'node:process') return own;
    return isBuiltin(name) ? builtin(name, own) : real(name);
  };
}
