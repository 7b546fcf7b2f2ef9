import { spawn } from 'node:child_process';
import { lstatSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { checkConfiguration, summary } from '../config/check.ts';
import { complaintLine } from '../config/load.ts';
import { readText } from '../config/read.ts';
import { replaceConfiguration } from '../config/replace.ts';
import type { Context } from '../context.ts';
import {
  busyError,
  configError,
  EXIT,
  type ExitCode,
  unavailableError,
  usageError,
} from '../model/errors.ts';
import { age } from '../model/times.ts';
import { isTerminal } from '../report/terminal.ts';

type Result = 'replaced' | 'unchanged' | 'kept' | 'dropped';

/** A person's own editor on a copy. The copy takes the file's place at once and whole, when it is right: no tick meets a
 *  configuration that is half edited. */
export async function configEdit(context: Context): Promise<ExitCode> {
  const { config } = context.places;
  if (!isTerminal(0) || !isTerminal(1))
    throw usageError(
      `config edit needs a terminal: edit ${config} by other means, then run mc-pickup config check`,
    );
  const before = readText(config);
  if (before.missing) throw configError(`no configuration at ${config}: run mc-pickup init first`);
  if (before.error !== null) throw configError(`${config} ${before.error}`);
  // Where a symbolic link leads, as it may into a repository of dot files: the link stays.
  const file = realpathSync(config);
  const draft = `${file}.draft`;
  const fresh = await begin(context, { file, draft, text: before.text });
  for (;;) {
    await openEditor(context, draft);
    const read = readText(draft);
    if (read.missing) return end(context, 'dropped', draft, `the draft is gone: ${file} is as it was`);
    if (fresh && read.error === null && read.text === before.text) {
      rmSync(draft);
      return end(context, 'unchanged', draft, `nothing was changed in ${file}`);
    }
    const { policy, complaints } = checkConfiguration(config, context.env, read);
    if (complaints.length === 0) {
      if (readText(config).text !== before.text)
        throw busyError(
          `${file} was changed by somebody else meanwhile: it is as they left it, and your draft is kept as ${draft}; mc-pickup config edit goes on with it`,
        );
      replaceConfiguration(file, read.text);
      rmSync(draft, { force: true });
      return end(context, 'replaced', draft, `ready: ${file} (${summary(policy)})`);
    }
    for (const one of complaints) context.out.warn(complaintLine(draft, one));
    const next = await ask(context, 'edit again (e), keep the draft (k) or throw it away (t)?', 'ekt');
    if (next === 'e') continue;
    if (next === 't') {
      rmSync(draft);
      return end(context, 'dropped', draft, `the draft is thrown away: ${file} is as it was`);
    }
    return end(context, 'kept', draft, `kept: ${draft}; ${file} is as it was`);
  }
}

interface Draft {
  readonly file: string;
  readonly draft: string;
  readonly text: string;
}

/** Makes the draft, or goes on with one that was kept. True = it is a plain copy. */
async function begin(context: Context, { file, draft, text }: Draft): Promise<boolean> {
  const old = lstatSync(draft, { throwIfNoEntry: false });
  if (old !== undefined) {
    if (!old.isFile()) throw configError(`${draft} is in the way and no regular file: move it away`);
    const later = statSync(file).mtimeMs > old.mtimeMs ? `, and ${file} was changed after it` : '';
    const asked = `a draft was kept ${age(Date.now() - old.mtimeMs)} ago${later}: go on with it (g), or begin anew (n)?`;
    if ((await ask(context, asked, 'gn')) !== 'n') return false;
    rmSync(draft);
  }
  writeFileSync(draft, text, { flag: 'wx', mode: statSync(file).mode & 0o777 });
  return true;
}

/** `$VISUAL`, `$EDITOR` or vi, which may have arguments of their own: these are words of the user's own shell. */
async function openEditor({ env }: Context, draft: string): Promise<void> {
  const editor = env.VISUAL || env.EDITOR || 'vi';
  // Ctrl-C is the editor's: neither we nor the shell between us end of it.
  const ignore = (): void => undefined;
  const signals = ['SIGINT', 'SIGQUIT'] as const;
  for (const one of signals) process.on(one, ignore);
  try {
    const child = spawn('sh', ['-c', `trap : INT QUIT; ${editor} "$@"`, editor, draft], {
      stdio: 'inherit',
      env,
    });
    const code = await new Promise<number>((done, failed) => {
      child.once('error', failed);
      child.once('exit', (status, signal) => done(status ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
    if (code === 0) return;
    const why = code === 127 ? 'was not found: set EDITOR' : `ended with exit code ${code}`;
    throw unavailableError(`the editor (${editor}) ${why}; ${leftover(draft)}`);
  } finally {
    for (const one of signals) process.off(one, ignore);
  }
}

function leftover(draft: string): string {
  const file = draft.replace(/\.draft$/, '');
  try {
    if (readFileSync(draft, 'utf8') === readFileSync(file, 'utf8')) rmSync(draft);
    else return `your draft is kept as ${draft}, and ${file} is as it was`;
  } catch {
    // Whatever is there stays there.
  }
  return `${file} is as it was`;
}

/** One of these letters; the end of the input is the answer that loses nothing: the first but one, or the first. */
async function ask({ out }: Context, question: string, letters: string): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    out.warn(question);
    for await (const line of lines) {
      const letter = line.trim().toLowerCase().charAt(0);
      if (letter !== '' && letters.includes(letter)) return letter;
      out.warn(question);
    }
    return letters.includes('k') ? 'k' : letters.charAt(0);
  } finally {
    lines.close();
  }
}

function end({ json, out, places }: Context, result: Result, draft: string, said: string): ExitCode {
  const kept = result === 'kept';
  if (json) out.json({ config: places.config, result, draft: kept ? draft : null });
  else out.line(said);
  return kept ? EXIT.config : EXIT.ok;
}
