/** Each file of a run and of its git dir, turned into each thing that an agent may turn it into; in foreign.test.ts each is one of them. */
import { afterEach, beforeEach, describe, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { KINDS, replacesFilesOfGitDir, replacesFilesOfRun } from './foreign.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

describe.each(KINDS)('%s', (_, kind) => {
  it('in place of any file of a run holds up no tick and no command', () =>
    replacesFilesOfRun(rig, () => kind));

  it('in place of any file of a git dir holds up no tick, before and after its agent has died', () =>
    replacesFilesOfGitDir(rig, () => kind));
});
