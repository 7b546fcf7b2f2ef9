/** What agents, hooks and the git of the dispatcher get of its environment: where things are, and no secrets. */
export const HANDED_ON: readonly string[] = [
  ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR', 'XDG_RUNTIME_DIR'],
  ...['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_STATE_HOME'],
];

/** In the environment of a hook, with a word that was given to it alone, and of all that it starts: such a process has the run's mark,
 *  and is no agent of it; and by this, and by nothing that can be read elsewhere, it is known as ours. */
export const HOOK_MARK = 'MC_PICKUP_HOOK';
