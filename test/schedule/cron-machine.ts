/** The real crontab and cron of Debian, on a spool that no other process sees, and a sandbox whose path means something to both. */
import { expect } from 'vitest';
import { hostileTmp, PrivateMachine, type Result } from '../support/private.ts';
import { Rig } from '../support/rig.ts';
import { BIN } from '../support/sandbox.ts';

/** A user's own crontab: other bytes than UTF-8, settings, and what cron reads in a way of its own. */
export const OTHERS = Buffer.from(
  '# mine \xe4\n\nMAILTO=""\nPATH=/nowhere\nSHELL=/bin/false\r\n17 3 1 1 * true # 100\\% \\r\n',
  'latin1',
);

export class CronMachine {
  readonly rig: Rig;
  readonly machine: PrivateMachine;
  readonly #calm: () => void;

  static async start(): Promise<CronMachine> {
    const calm = hostileTmp();
    try {
      const rig = new Rig({ limits: '[limits]\ninterval_seconds = 60\n' });
      try {
        return new CronMachine(rig, await PrivateMachine.start(), calm);
      } catch (error) {
        await rig.box.destroy();
        throw error;
      }
    } catch (error) {
      calm();
      throw error;
    }
  }

  private constructor(rig: Rig, machine: PrivateMachine, calm: () => void) {
    this.rig = rig;
    this.machine = machine;
    this.#calm = calm;
  }

  schedule(...args: string[]): Result {
    return this.run([process.execPath, BIN, 'schedule', ...args]);
  }

  crontab(...args: string[]): Result {
    return this.run(['crontab', ...args]);
  }

  setCrontab(text: Buffer | string): void {
    expect(this.run(['crontab', '-'], text)).toMatchObject({ code: 0, err: '' });
  }

  /** Runs a program inside, by the sandbox's environment. */
  run(argv: readonly string[], input: string | Buffer = ''): Result {
    return this.machine.run(argv, this.rig.box.env, input);
  }

  /** What the spool has, byte for byte, below the header that Debian's crontab writes itself. */
  spool(): string {
    const { out } = this.run(['sh', '-c', 'od -An -v -tx1 /var/spool/cron/crontabs/root']);
    const bytes = Buffer.from(out.replaceAll(/\s/g, ''), 'hex').toString('latin1');
    return bytes.replace(/^# DO NOT EDIT.*\n.*\n.*\n/, '');
  }

  async destroy(): Promise<void> {
    try {
      await this.machine.destroy();
    } finally {
      try {
        await this.rig.box.destroy();
      } finally {
        this.#calm();
      }
    }
  }
}
