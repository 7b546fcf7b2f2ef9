import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { refuseFile, replaceFile } from '../machine/named-file.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { pageNow } from '../page/write.ts';

const MOST_DAYS = 90;

/** Writes the page to a file, or to stdout. Reads the board without leaving a trace. */
export async function page(
  context: Context,
  o: { readonly out: string; readonly days: number },
): Promise<ExitCode> {
  if (o.days < 1 || o.days > MOST_DAYS) throw usageError(`--days must be from 1 to ${MOST_DAYS}`);
  if (o.out === '') throw usageError('--out must name a file, or be - for stdout');
  const toStdout = o.out === '-';
  if (toStdout && context.json)
    throw usageError('--out - writes the page to stdout, and so does --json: name a file');
  const file = resolve(o.out);
  if (!toStdout) refuseFile(file); // before the work
  const text = await pageNow(context, o.days, null);
  if (toStdout) context.out.line(text.trimEnd());
  else {
    const made = { file: replaceFile(file, text), bytes: Buffer.byteLength(text), days: o.days };
    if (context.json) context.out.json(made);
    else context.out.line(`${made.file} (${Math.ceil(made.bytes / 1024)} KiB)`);
  }
  return EXIT.ok;
}
