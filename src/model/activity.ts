/** How many of the newest ticks `explain` looks at, and retention spares: a day and a half, at a tick a minute. */
export const EXPLAINED_TICKS = 2000;

/** What the log of the board tells: the `kind` of each of its lines, as this program writes them. */
export const ACTIVITY_KINDS = [
  ...['created', 'edited', 'moved', 'comment'],
  ...['claimed', 'registered', 'adopted', 'heal', 'ended', 'retry', 'report'],
  ...['asked', 'parked', 'nudged', 'sent', 'allowed', 'denied'],
  ...['limited', 'not_ready', 'ready', 'warning', 'published', 'cleaned', 'shortened', 'killswitch'],
] as const;
