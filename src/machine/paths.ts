import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** What lies in the state dir, each by its one name here. */
const NAMES = {
  board: 'board.sqlite',
  /** Names the server that the board of this state dir is on, once it was. */
  elsewhere: 'board-elsewhere',
  /** Names the run of another board that has made this state dir, and is a person here. */
  people: 'person.json',
  lock: 'tick-lock.sqlite',
  /** Held while work goes out to a forge. */
  publishing: 'publish-lock.sqlite',
  /** Held while worktrees are made ready ahead of time. */
  filling: 'pool-lock.sqlite',
  killswitch: 'killswitch.json',
  gate: 'gate.json',
  /** When launches were last released. */
  released: 'released.json',
  host: 'host-id',
  /** What people were told, and what waits to be told. */
  notified: 'notified.json',
  notifyLock: 'notify-lock.sqlite',
  /** Why pings fail, while they do. */
  ping: 'ping.json',
  socket: 'tmux.sock',
  server: 'tmux-server.json',
  /** What agents are told of: their prompts and events. */
  runs: 'runs',
  /** What of the runs only this program reads. */
  own: 'own',
  /** Which hook runs in which worktree. */
  hooks: 'hooks',
  /** The pipes through which launchers are told by the tick that has started them that they are registered. */
  asking: 'asking',
  marks: 'marks',
  /** The state in which all marks were last found to be owned by live rows. */
  marksOwned: 'marks-owned',
  bin: 'bin',
  worktrees: 'worktrees',
  /** How far the removal of what is old has come. */
  retention: 'retention.json',
  /** How what runs share with others was when they began, and which settings they have left changed. */
  commons: 'commons',
  /** What worktrees were given of the main checkout. */
  placed: 'placed',
  /** The umask of the person who set this state dir up. */
  umask: 'umask',
  /** What holds launches on this host. */
  holds: 'holds.json',
} as const;

/** Where things live. */
export type Places = Readonly<Record<keyof typeof NAMES | 'state' | 'config', string>>;

/** Why what follows each tick (`page`, `metrics`, `retention` ...) fails, while it does. */
export function faultNote({ state }: Pick<Places, 'state'>, name: string): string {
  return `${state}/${name}-failed`;
}

/** Resolves the state dir and the config file: option, then environment, then XDG. Pure but for `homedir`. */
export function placesOf(
  options: { readonly stateDir?: string | undefined; readonly config?: string | undefined },
  env: NodeJS.ProcessEnv,
): Places {
  const home = env.HOME || homedir();
  const state = resolve(
    options.stateDir ||
      env.MC_PICKUP_STATE_DIR ||
      join(env.XDG_STATE_HOME || join(home, '.local', 'state'), 'mc-pickup'),
  );
  const config = resolve(
    options.config ||
      env.MC_PICKUP_CONFIG ||
      join(env.XDG_CONFIG_HOME || join(home, '.config'), 'mc-pickup', 'config.toml'),
  );
  const below = Object.entries(NAMES).map(([key, name]) => [key, `${state}/${name}`]);
  return { state, config, ...Object.fromEntries(below) } as Places;
}
