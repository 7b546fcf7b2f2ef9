import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { waitFor } from './wait.ts';

/** A real process and its parent, which never reaps: once the child is killed it stays a zombie. Linux only. */
export async function neverReaped(): Promise<{ readonly parent: ChildProcess; readonly child: number }> {
  const parent = spawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const child = Number(String(await once(parent.stdout, 'data')));
  // Only after exec: the shell itself might still reap.
  await waitFor(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim() === 'sleep', 'the exec');
  return { parent, child };
}
