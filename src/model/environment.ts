/*
 * Which variables of our environment go on to what we start, in one place: to agents and hooks, to git, and which of them a scheduler
 * will not have.
 */

/** What agents, hooks and the git of the dispatcher get of its environment: where things are, and no secrets. */
export const HANDED_ON: readonly string[] = [
  ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR', 'XDG_RUNTIME_DIR'],
  ...['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_STATE_HOME'],
];

/** Each stands in the environment in lower case as well. */
const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'];
const BOTH_CASES = [...PROXIES, 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]);
/** Whom the programs of a machine trust, beside what they come with: files, directories and switches, no secrets. */
const CERTIFICATES = [
  ...[
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'NIX_SSL_CERT_FILE',
    'CURL_CA_BUNDLE',
    'REQUESTS_CA_BUNDLE',
    'AWS_CA_BUNDLE',
  ],
  ...['NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY', 'DENO_CERT', 'DENO_TLS_CA_STORE'],
  ...['GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'GIT_PROXY_SSL_CAINFO'],
];
/** Who we are to another machine: for a push and a fetch alone. */
export const IDENTITY: readonly string[] = [
  ...['SSH_AUTH_SOCK', 'SSH_AGENT_PID', 'KRB5CCNAME', 'DBUS_SESSION_BUS_ADDRESS', 'GNUPGHOME'],
];

/** A client asks servers of its own on this machine, and not all of them leave those out by themselves. */
const HERE = ['localhost', '127.0.0.1', '::1'];

type Environment = Readonly<Record<string, string | undefined>>;

/** How other machines are reached from here (proxies, with what a proxy asks for, and certificates): without it no agent reaches its model
 *  where there is no other way out. Where there is a proxy, this machine itself is not reached by it. */
export function networkOf(env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of [...BOTH_CASES, ...CERTIFICATES]) {
    const value = env[name];
    if (value) found[name] = value;
  }
  if (!PROXIES.some((name) => name in found || name.toLowerCase() in found)) return found;
  const without = env.no_proxy || env.NO_PROXY || '';
  const listed = new Set(without.split(/[\s,]+/).filter(Boolean));
  const all = listed.has('*') ? without : [...listed, ...HERE.filter((one) => !listed.has(one))].join(',');
  return { ...found, no_proxy: all, NO_PROXY: all };
}

/** Of git's own variables, what would place a repository (all that `git rev-parse --local-env-vars` names, and the settings of
 *  `git -c`), change what git prints, or ask a person. */
const NOT_FOR_GIT =
  /^GIT_(ALTERNATE_OBJECT_DIRECTORIES|OBJECT_DIRECTORY|DIR|WORK_TREE|IMPLICIT_WORK_TREE|GRAFT_FILE|INDEX_FILE|NO_REPLACE_OBJECTS|REPLACE_REF_BASE|PREFIX|INTERNAL_.*|SHALLOW_FILE|COMMON_DIR|NAMESPACE|QUARANTINE_PATH|CONFIG|CONFIG_(PARAMETERS|COUNT|KEY_.*|VALUE_.*)|TRACE.*|CURL_VERBOSE|TRANSFER_TRACE|EXTERNAL_DIFF|DIFF_.*|(LITERAL|GLOB|NOGLOB|ICASE)_PATHSPECS|ATTR_SOURCE|PRINT_SHA1_ELLIPSIS|MERGE_VERBOSITY|REFLOG_ACTION|PAGER|PAGER_IN_USE|COLUMNS|EDITOR|SEQUENCE_EDITOR|ASKPASS|TERMINAL_PROMPT|(AUTHOR|COMMITTER)_.*)$/;

/** What git gets of its own variables: how it reaches other machines, where its configuration and its programs are, and whatever else a
 *  person has set for it. */
export function gitSettingsOf(env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name in env) {
    const value = env[name];
    if (value !== undefined && name.startsWith('GIT_') && !NOT_FOR_GIT.test(name)) found[name] = value;
  }
  return found;
}

/** Those that are set here and that say how other machines are reached: a scheduler does not have them. Names alone, in their order: a
 *  value may be secret. */
export function ofThisShell(env: Environment): string[] {
  const git = Object.keys(gitSettingsOf(env)).filter((name) => /^GIT_(SSH|SSL|HTTP|PROXY)/.test(name));
  const known = [...BOTH_CASES, ...CERTIFICATES].filter((name) => env[name]);
  return [...new Set([...known, ...git])].sort();
}

/** In the environment of a hook, with a word that was given to it alone, and of all that it starts: such a process has the run's mark,
 *  and is no agent of it; and by this, and by nothing that can be read elsewhere, it is known as ours. */
export const HOOK_MARK = 'MC_PICKUP_HOOK';
