import type { Wish } from '../../src/schedule/wish.ts';

export const wish: Wish = {
  id: '1a2b3c4d',
  node: '/usr/bin/node',
  launcher: '/home/ann/.local/state/mc-pickup/bin/mc-pickup',
  state: '/home/ann/.local/state/mc-pickup',
  config: '/home/ann/.config/mc-pickup/config.toml',
  home: '/home/ann',
  path: '/usr/local/bin:/usr/bin:/bin',
  log: '/home/ann/.local/state/mc-pickup/tick.log',
  interval_seconds: 60,
  longest_tick_seconds: 660,
};
