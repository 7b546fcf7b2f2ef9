import { textOf } from '../machine/files.ts';
import type { Adapter } from './adapter.ts';
import { beginsPlainly } from './handing.ts';

/** Any program. It finds its prompt in $MC_PROMPT_FILE and may report through `mc-event KIND`. */
export const command: Adapter = {
  kind: 'command',
  launchArgv: (profile) => profile.argv,
  env: () => ({}),
  stageFiles: () => [],
  // Whether it would read a file, nobody knows.
  hands: (text, way) => (way === 'start' || beginsPlainly(text) ? 'as_is' : 'after_words'),
  mapEvent(kind, payload) {
    const session = textOf(payload, 'session_id');
    const more = session === null ? {} : { session };
    if (kind === 'idle') return { activity: 'idle', ...more };
    if (kind === 'waiting') {
      const question = textOf(payload, 'question');
      return { activity: 'waiting', ...(question === null ? {} : { question }), ...more };
    }
    return kind === 'busy' ? { activity: 'busy', turn: true, ...more } : { activity: 'busy', ...more };
  },
  quitKeys: ['C-c'],
};
