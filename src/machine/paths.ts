import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where things live; every path below the state dir has its one name here. */
export interface Places {
  readonly state: string;
  readonly config: string;
  readonly board: string;
  /** Names the server that the board of this state dir is on, once it was. */
  readonly elsewhere: string;
  /** Names the run of another board that has made this state dir, and is a person here. */
  readonly people: string;
  readonly lock: string;
  /** Held while work goes out to a forge. */
  readonly publishing: string;
  /** Held while worktrees are made ready ahead of time. */
  readonly filling: string;
  readonly killswitch: string;
  readonly gate: string;
  /** When launches were last released. */
  readonly released: string;
  readonly host: string;
  /** What people were told, and what waits to be told. */
  readonly notified: string;
  readonly notifyLock: string;
  /** Why pings fail, while they do. */
  readonly ping: string;
  readonly socket: string;
  readonly server: string;
  /** What agents are told of: their prompts and events. */
  readonly runs: string;
  /** What of the runs only this program reads. */
  readonly own: string;
  /** Which hook runs in which worktree. */
  readonly hooks: string;
  /** The pipes through which launchers are told by the tick that has started them that they are registered. */
  readonly asking: string;
  readonly marks: string;
  /** The state in which all marks were last found to be owned by live rows. */
  readonly marksOwned: string;
  readonly bin: string;
  readonly worktrees: string;
  /** How far the removal of what is old has come. */
  readonly retention: string;
  /** How what runs share with others was when they began, and which settings they have left changed. */
  readonly commons: string;
  /** What worktrees were given of the main checkout. */
  readonly placed: string;
  /** The umask of the person who set this state dir up. */
  readonly umask: string;
  /** What holds launches on this host. */
  readonly holds: string;
}

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
  return {
    state,
    config,
    board: `${state}/board.sqlite`,
    elsewhere: `${state}/board-elsewhere`,
    people: `${state}/person.json`,
    lock: `${state}/tick-lock.sqlite`,
    publishing: `${state}/publish-lock.sqlite`,
    filling: `${state}/pool-lock.sqlite`,
    killswitch: `${state}/killswitch.json`,
    gate: `${state}/gate.json`,
    released: `${state}/released.json`,
    host: `${state}/host-id`,
    notified: `${state}/notified.json`,
    notifyLock: `${state}/notify-lock.sqlite`,
    ping: `${state}/ping.json`,
    socket: `${state}/tmux.sock`,
    server: `${state}/tmux-server.json`,
    runs: `${state}/runs`,
    own: `${state}/own`,
    hooks: `${state}/hooks`,
    asking: `${state}/asking`,
    marks: `${state}/marks`,
    marksOwned: `${state}/marks-owned`,
    bin: `${state}/bin`,
    worktrees: `${state}/worktrees`,
    retention: `${state}/retention.json`,
    commons: `${state}/commons`,
    placed: `${state}/placed`,
    umask: `${state}/umask`,
    holds: `${state}/holds.json`,
  };
}
