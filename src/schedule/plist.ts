import { unitSeconds } from './units.ts';
import type { Wish } from './wish.ts';
import { xml } from './words.ts';

/** The name of the job in launchd. */
export function labelOf({ id }: Wish): string {
  return `mc-pickup.${id}`;
}

/** The property list of a launchd agent. */
export function plistOf(wish: Wish): string {
  const text = (value: string): string => `<string>${xml(value)}</string>`;
  const variables = Object.entries({
    HOME: wish.home,
    PATH: wish.path,
    MC_PICKUP_STATE_DIR: wish.state,
    MC_PICKUP_CONFIG: wish.config,
  }).map(([name, value]) => `    <key>${name}</key>${text(value)}`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- By "mc-pickup schedule install"; "mc-pickup schedule remove" takes it out. -->
<plist version="1.0">
<dict>
  <key>Label</key>${text(labelOf(wish))}
  <key>ProgramArguments</key>
  <array>
    ${['/bin/sh', wish.launcher, 'dispatch'].map(text).join('\n    ')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables.join('\n')}
  </dict>
  <key>RunAtLoad</key><true/>
  <key>StartInterval</key><integer>${unitSeconds(wish.interval_seconds)}</integer>
  <!-- The tmux server and its agents outlive the tick that started them. -->
  <key>AbandonProcessGroup</key><true/>
  <key>StandardOutPath</key>${text(wish.log)}
  <key>StandardErrorPath</key>${text(wish.log)}
  <key>Umask</key><integer>63</integer>
</dict>
</plist>
`;
}
