import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOOPBACK_ONLY, type TestClient } from './client.ts';

const TOKEN = 'sk-ant-oat01-stub-token-for-a-local-test-AA';

/** Claude Code. Its Node engine wants 22 or newer at the installation: npm takes an old version on Node 20. */
export const claudeClient: TestClient = {
  kind: 'claude',
  pkg: '@anthropic-ai/claude-code',
  version: '2.1.332',
  prepare({ home, repo, cache, api }) {
    mkdirSync(join(home, '.claude'), { recursive: true });
    // Trust in the main checkout covers its worktrees.
    const state = {
      hasCompletedOnboarding: true,
      projects: { [repo]: { hasTrustDialogAccepted: true } },
    };
    writeFileSync(join(home, '.claude.json'), JSON.stringify(state));
    writeFileSync(join(home, '.claude', 'settings.json'), '{}\n');
    return {
      argv: [join(cache, 'node_modules', '.bin', 'claude')],
      env: {
        HOME: home,
        ...LOOPBACK_ONLY,
        // As after a login with a subscription: an API key has no limit whose reset is told.
        CLAUDE_CODE_OAUTH_TOKEN: TOKEN,
        ANTHROPIC_BASE_URL: api,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        DISABLE_AUTOUPDATER: '1',
        DISABLE_TELEMETRY: '1',
        // As root it skips permissions only where it is told that nothing can come of it.
        IS_SANDBOX: '1',
        DISABLE_ERROR_REPORTING: '1',
        CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: '1',
        // Ten attempts with growing pauses take three minutes.
        CLAUDE_CODE_MAX_RETRIES: '1',
      },
    };
  },
  unready({ home }) {
    const file = join(home, '.claude.json');
    writeFileSync(
      file,
      JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), projects: {} }),
    );
    return 'may trust the folder';
  },
  untouched: ['.claude/settings.json'],
};
