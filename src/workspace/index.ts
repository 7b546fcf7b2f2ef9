/** Reached by dynamic import only: a tick that launches nothing needs none of it. */

export { asLeft } from './as-left.ts';
export { noteCommons } from './commons-notes.ts';
export { type Filled, type Filling, fillSlot } from './fill.ts';
export { startIn } from './folder.ts';
export { hookLeft } from './hook-left.ts';
export { hookDone, hookPending, runHook } from './hooks.ts';
export { leftAtWork } from './left.ts';
export { forgetPlaced, placedIn, placeFromMain, takeBack } from './placed.ts';
export type { Prepared, Refusal, Refused } from './prepared.ts';
export { type Trial, type Tried, tryOut } from './trial.ts';
export { prepareWorkspace } from './worktree.ts';
