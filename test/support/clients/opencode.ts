import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestClient } from './client.ts';

/** OpenCode with a provider of its own, which speaks to the stub. It knows no trust: nothing to accept. */
export const opencodeClient: TestClient = {
  kind: 'opencode',
  pkg: 'opencode-ai',
  version: '1.18.33',
  prepare({ home, cache, api }) {
    const config = join(home, '.config/opencode');
    mkdirSync(config, { recursive: true });
    writeFileSync(join(config, 'opencode.json'), `${JSON.stringify(configuration(api), null, 2)}\n`);
    // At its first start it installs a package of its own into the user's configuration: not in a test.
    writeFileSync(join(home, '.npmrc'), 'registry=http://127.0.0.1:9/\nfetch-retries=0\naudit=false\n');
    return {
      argv: [join(cache, 'node_modules/.bin/opencode')],
      env: {
        HOME: home,
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
        OPENCODE_DISABLE_SHARE: '1',
      },
    };
  },
  unready({ home }) {
    writeFileSync(join(home, '.config/opencode/opencode.json'), '{ "model": ');
    return 'configuration of OpenCode is broken';
  },
  untouched: ['.config/opencode/opencode.json'],
};

/** Shell commands ask, so that there is a permission to answer. */
function configuration(api: string) {
  const model = { name: 'Stub', limit: { context: 128_000, output: 4096 }, cost: { input: 1, output: 2 } };
  return {
    $schema: 'https://opencode.ai/config.json',
    model: 'stub/stub-model',
    autoupdate: false,
    share: 'disabled',
    permission: { bash: 'ask' },
    provider: {
      stub: {
        npm: '@ai-sdk/openai-compatible',
        name: 'Stub',
        options: { baseURL: `${api}/v1`, apiKey: 'sk-test' },
        models: { 'stub-model': model },
      },
    },
  };
}
