import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOOPBACK_ONLY, type TestClient } from './client.ts';

/** Codex with a model provider of its own in an isolated HOME: no login, no daemon, no updates, no telemetry. */
export const codexClient: TestClient = {
  kind: 'codex',
  pkg: '@openai/codex',
  version: '0.171.0',
  prepare({ home, repo, cache, api }) {
    const folder = join(home, '.codex');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, 'config.toml'), configText(repo, api), { mode: 0o600 });
    return {
      argv: [join(cache, 'node_modules', '.bin', 'codex')],
      env: { HOME: home, CODEX_HOME: folder, MC_STUB_KEY: 'stub', ...LOOPBACK_ONLY },
    };
  },
  unready({ home, repo }) {
    const file = join(home, '.codex', 'config.toml');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(`[projects.${JSON.stringify(repo)}]\ntrust_level = "trusted"\n`, ''),
    );
    return 'does not trust this repository';
  },
  untouched: ['.codex/config.toml'],
};

function configText(repo: string, api: string): string {
  // The last table is what Codex itself writes when it is started for the first time.
  return `# The user's own settings in a test.
model = "gpt-5.5-codex"
model_provider = "stub"
check_for_update_on_startup = false
suppress_unstable_features_warning = true

[model_providers.stub]
name = "stub"
base_url = ${JSON.stringify(`${api}/v1`)}
env_key = "MC_STUB_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1

[projects.${JSON.stringify(repo)}]
trust_level = "trusted"

[features]
default_mode_request_user_input = true

[analytics]
enabled = false

[feedback]
enabled = false

[otel]
exporter = "none"
metrics_exporter = "none"

[tui]
screen_reader_detection_done = true
`;
}
