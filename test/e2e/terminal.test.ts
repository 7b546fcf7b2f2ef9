import { afterEach, beforeEach, expect, it } from 'vitest';
import { HOLDING_HOOK, Rig } from '../support/rig.ts';
import { BIN, until } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ project: HOLDING_HOOK });
});
afterEach(async () => {
  await rig.box.destroy();
});

it('a terminal that is closed in the middle of a launch takes nothing with it: the agent is started, the tick recorded', async () => {
  const id = rig.add('hold');
  rig.box.signal(`${id}.held`);
  const terminal = new Terminal(rig.box.env, 80, 24);
  try {
    // As a loop in the background of a shell that has gone: nobody hangs it up, and its terminal is no more.
    terminal.type(`trap '' HUP; ${process.execPath} ${BIN} dispatch`);
    await terminal.shows(/preparing MC-1 \.\.\. \d+ s/);
  } finally {
    terminal.close();
  }
  rig.letGo(id);
  expect(await until(() => rig.box.note(`${id}.started`) !== '')).toBe(true);
  const ticks = () => rig.box.sql<{ outcome: string }>('SELECT outcome FROM ticks');
  expect(await until(() => ticks().length === 1)).toBe(true);
  expect(ticks()).toEqual([{ outcome: 'ok' }]);
  expect(rig.ticket(id).status).toBe('in_progress');
});
