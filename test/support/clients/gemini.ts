import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestClient } from './client.ts';

/** Gemini CLI with a key of the stub, and everything off that would leave the machine. */
export const geminiClient: TestClient = {
  kind: 'gemini',
  pkg: '@google/gemini-cli',
  version: '0.61.0',
  prepare({ home, cache, api }) {
    const folder = join(home, '.gemini');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, 'settings.json'), `${JSON.stringify(SETTINGS, null, 2)}\n`, { mode: 0o600 });
    return {
      argv: [join(cache, 'node_modules', '.bin', 'gemini')],
      env: { HOME: home, GEMINI_API_KEY: 'stub', GOOGLE_GEMINI_BASE_URL: api, NO_BROWSER: 'true' },
    };
  },
  unready({ home }) {
    const settings = { ...SETTINGS, security: {} };
    writeFileSync(join(home, '.gemini', 'settings.json'), `${JSON.stringify(settings, null, 2)}\n`);
    return 'not logged in';
  },
  untouched: ['.gemini/settings.json'],
};

const SETTINGS = {
  security: { auth: { selectedType: 'gemini-api-key' } },
  privacy: { usageStatisticsEnabled: false },
  telemetry: { enabled: false },
  // A model by name: the automatic choice makes ten attempts with growing pauses whatever the settings say.
  model: { name: 'gemini-2.5-flash' },
  general: { enableAutoUpdate: false, enableAutoUpdateNotification: false, maxAttempts: 2 },
};
