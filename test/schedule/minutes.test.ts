/* The real cron daemon starts a tick at every full minute, on a spool that no other process sees: this takes two to three of them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type TickReport, tickLines } from '../../src/report/tick.ts';
import { describeWith } from '../support/private.ts';
import type { Rig } from '../support/rig.ts';
import { waitFor } from '../support/wait.ts';
import { CronMachine, OTHERS } from './cron-machine.ts';

let cron: CronMachine;
let rig: Rig;
beforeEach(async () => {
  cron = await CronMachine.start();
  rig = cron.rig;
});
afterEach(() => cron?.destroy());

describeWith('the real cron daemon', ['unshare', 'nsenter', 'crontab', 'cron'], () => {
  it('starts ticks that bring a ticket to review, whose agent outlives its tick', async () => {
    const { box } = rig;
    cron.setCrontab(OTHERS);
    expect(cron.schedule('install', '--with', 'cron', '--yes').code).toBe(0);
    expect(cron.schedule('show').out).toContain('no cron daemon');
    const id = rig.add('stay');
    cron.machine.begin(['cron', '-f'], { PATH: process.env.PATH });
    const ticks = () => box.sql<{ id: string; outcome: string; report: string }>('SELECT * FROM ticks');
    // One more than two: that of @reboot launches nothing.
    await waitFor(() => ticks().length >= 3, 'two ticks of the daemon');
    await rig.settle(id, 'in_review');
    const [agent = 0] = rig.agents(id);
    expect(rig.agents(id)).toEqual([agent]);
    // The tick that launched it is over: what is left of the sandbox is tmux and what runs in it.
    await waitFor(() => !commands().some((words) => words.includes('dispatch')), 'the end of the ticks');
    expect(rig.agents(id)).toEqual([agent]);
    // The environment was bare but for what the line itself sets.
    const env = readFileSync(`/proc/${agent}/environ`, 'utf8').split('\0');
    expect(env).toContain(`HOME=${box.env.HOME}`);
    expect(env.find((one) => one.startsWith('PATH='))).not.toContain('/nowhere');
    expect(env.some((one) => one.startsWith('GIT_AUTHOR_NAME='))).toBe(false);

    // The log has what ticks printed, and those with nothing to do print nothing.
    const log = join(box.state, 'tick.log');
    const printed = () => ticks().flatMap(({ report }) => tickLines(JSON.parse(report) as TickReport, false));
    expect(readFileSync(log, 'utf8')).toBe(
      printed()
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(printed().join()).toContain(id);
    expect(ticks().every(({ outcome }) => outcome === 'ok')).toBe(true);

    // Nobody waits for a Sunday: its line, as cron hands it to the shell.
    const weekly = /^0 4 \* \* 0 (.*)$/m.exec(cron.crontab('-l').out)?.[1]?.replaceAll('\\%', '%') ?? '';
    expect(cron.schedule('remove', '--yes').code).toBe(0);
    expect(cron.spool()).toBe(OTHERS.toString('latin1'));
    expect(rig.agents(id)).toEqual([agent]);
    expect(cron.machine.run(['sh', '-c', weekly], {})).toEqual({ code: 0, out: '', err: '' });
    expect(existsSync(log)).toBe(false);
    expect(readFileSync(`${log}.1`, 'utf8')).toContain(id);
  });
});

/** The command lines of all processes of the sandbox. */
function commands(): string[][] {
  return rig.box.processes().map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  });
}
