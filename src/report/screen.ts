import { calmStdout, cleanPainted } from './out.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';

/**
 * Draws lines on the terminal's other screen, again after each interval and at once when its size changes, until it is
 * interrupted, told to end, or hung up. Whatever happens in between, the screen that was there before comes back.
 */
export async function watchScreen(draw: () => Promise<readonly string[]>, every_ms: number): Promise<void> {
  const out = calmStdout();
  let over = false;
  let failed: { readonly error: unknown } | null = null;
  let wake: () => void = () => undefined;
  let due = false;
  const again = (): void => {
    due = true;
    wake();
  };
  const end = (): void => {
    over = true;
    wake();
  };
  /** C-z: the shell gets its own screen; `fg` gets ours again. */
  const suspend = (): void => {
    out.write(LEAVE);
    process.once('SIGCONT', () => {
      out.write(ENTER);
      again();
    });
    process.kill(process.pid, 'SIGSTOP');
  };
  const ends = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of ends) process.on(signal, end);
  process.on('SIGTSTP', suspend);
  out.on('resize', again);
  out.on('error', end);
  out.write(ENTER);
  try {
    while (!over) {
      due = false;
      const lines = await draw();
      if (!over) out.write(frame(lines, out.rows || 24));
      await new Promise<void>((go) => {
        const timer = setTimeout(go, every_ms);
        wake = () => {
          clearTimeout(timer);
          go();
        };
        if (due || over) wake();
      });
    }
  } catch (error) {
    failed = { error };
  } finally {
    out.write(LEAVE);
    for (const signal of ends) process.off(signal, end);
    process.off('SIGTSTP', suspend);
    out.off('resize', again);
    out.off('error', end);
  }
  if (failed !== null) throw failed.error;
}

/** All lines from the top, each over what stood there; what does not fit is counted on the last one. */
function frame(lines: readonly string[], rows: number): string {
  const over = lines.length - rows;
  const shown =
    over > 0
      ? [...lines.slice(0, Math.max(0, rows - 1)), `... ${over + 1} more lines: mc-pickup status has all`]
      : lines;
  // No line end after the last one: it would scroll the screen.
  const text = shown.map((line) => `${cleanPainted(line)}\u001b[0m\u001b[K`).join('\r\n');
  return `\u001b[H${text}\u001b[J`;
}
