/*
 * Every key of the configuration in words: the one source of the commented file that `init` writes, of the schema for
 * editors, and of the tables of docs/configuration.md. A test holds it against the schema. No tick loads it.
 */
import * as v from 'valibot';
import {
  AGENT,
  BOARD,
  HOOK,
  LIMITS,
  MASS_DEATH,
  METRICS,
  NETWORK,
  NOTIFY,
  NOTIFY_COMMAND,
  NOTIFY_WEBHOOK,
  PAGE,
  PING,
  PROJECT,
  RETENTION,
  REVIEW,
  ROUTE,
  TOP,
} from './schema.ts';
import type { TomlValue } from './toml.ts';

export interface KeyText extends Said {
  /** The default where it is a plain value. */
  readonly value?: TomlValue;
}

/** What is said of a key; its default is its schema's. */
interface Said {
  /** What it means, in one sentence without a full stop. */
  readonly says: string;
  /** The default in words where it is no plain value; `required` and `none` need not be said. */
  readonly otherwise?: string;
  /** What the commented file shows where there is no plain default. */
  readonly example?: TomlValue;
  /** Stands in the commented file as a remark, because another key shuts it out. */
  readonly remark?: true;
}

interface Table<Text> {
  /** `top`, or the key of the table. */
  readonly name: string;
  readonly schema: v.ObjectSchema<v.ObjectEntries, v.ErrorMessage<v.ObjectIssue> | undefined>;
  /** As the documentation writes its header; '' = before the first table. */
  readonly header: string;
  /** As the commented file writes it; null = it has no table of its own there. */
  readonly sample: string | null;
  /** The file that `init` writes has this table for good: its header is no comment. */
  readonly there?: boolean;
  readonly says: string;
  readonly keys: Readonly<Record<string, Text>>;
}

export type TableText = Table<KeyText>;

const NO_LIMIT = 'no own limit';

const SAID: readonly Table<Said | string>[] = [
  {
    ...{ name: 'top', schema: TOP, header: '', sample: '', there: true },
    says: 'These keys stand before the first table',
    keys: {
      default_agent: {
        says: 'profile of tickets that name none',
        otherwise: 'the only profile, if there is exactly one',
        example: 'claude',
      },
      default_project: {
        says: 'project of `ticket add` without `--project`',
        otherwise: 'the only project, if there is exactly one',
        example: 'shop',
      },
      trusted_authors: "authors whose tickets are dispatched without a person's move to `todo`",
      umask: {
        says: "umask of checkouts, of what git writes, of agents and hooks; the program's own files are private whatever it is",
        otherwise: 'that of whoever ran `init` or `schedule install` last',
        example: '022',
      },
    },
  },
  {
    ...{ name: 'limits', schema: LIMITS, header: '[limits]', sample: '[limits]', there: true },
    says: 'How much at a time, how long, how often',
    keys: {
      max_agents:
        'agents at work at a time, on this host; one that has asked a person, or whose ticket is settled, is none',
      max_living: {
        says: 'living agents at a time, whatever they do',
        otherwise: 'twice `max_agents`',
        example: 8,
      },
      settled:
        '`end`: a client whose ticket is `in_review`, `done` or `cancelled` is asked to quit by its own keys when a launch needs its room, else after ten minutes without a sign of life; a `command` client gives way only after a minute without output; `keep`: it stays at its prompt',
      max_launches_per_tick: 'launches of one tick',
      ttl_minutes:
        'observed silence (no event, no output) after which a living agent is parked; nothing is killed',
      max_attempts: 'after as many failures the ticket is `blocked`',
      interval_seconds:
        'how often the scheduler starts a tick; one tick counts at most twice this as observed time',
      launch_deadline_seconds: 'observed time after which a launch that never registered counts as failed',
      register_wait_seconds: 'how long a tick waits for the agents that it launched to register',
      retry_base_seconds: 'first back-off; doubles with every attempt',
      retry_max_seconds: 'largest back-off',
      mass_death:
        'agents of so many tickets that die within a minute of their start, in so many minutes, switch off what they share',
      port_base:
        'the agent in slot 0 gets it as `MC_PORT_BASE`, and twenty ports from there are its own; the next slot begins behind them',
      min_free_memory_mb:
        'nothing is launched while less is available, on the machine or in the control group of the agents; 0 = whatever is',
      min_free_disk_mb: {
        says: 'nothing is launched while less is free on the disk of the state dir or of the worktrees; 0 = whatever is',
        otherwise: '500, or a twentieth of a small disk',
        example: 2000,
      },
      max_memory_pressure: {
        says: 'nothing is launched while in more percent of the last minute something waited for memory (`some avg60` of `/proc/pressure`)',
        example: 10,
      },
      max_cpu_pressure: { says: 'the same for processors', example: 60 },
      max_io_pressure: { says: 'the same for disks', example: 40 },
      max_usd_per_day: {
        says: "money of a day by the clients' own records; used up, nothing more is launched (a running agent goes on)",
        example: 20,
      },
      max_usd_per_ticket: { says: 'the same for one ticket', example: 5 },
      max_tokens_per_day: { says: 'tokens of a day, for clients that tell no money', example: 20_000_000 },
      max_tokens_per_ticket: { says: 'the same for one ticket', example: 5_000_000 },
    },
  },
  {
    ...{ name: 'mass_death', schema: MASS_DEATH, header: '{ ... }', sample: null },
    says: 'What `mass_death` may be',
    keys: {
      count: 'so many tickets; 0 = nothing is switched off',
      minutes: 'counted back from now, and no further than the last `killswitch off`',
    },
  },
  {
    ...{ name: 'board', schema: BOARD, header: '[board]', sample: '[board]' },
    says: 'Where the tickets are: a file in the state dir unless this says otherwise',
    keys: {
      kind: { says: '`sqlite`: the file in the state dir; `mission-control`: a server', example: 'sqlite' },
      url: {
        says: 'the server: https, or http on this machine; required for `mission-control`',
        example: 'https://mission.example/v1',
      },
      token_file: {
        says: 'file that holds its token, mode 0600; relative to the configuration',
        otherwise: 'no token',
        example: '~/.config/mc-pickup/token',
      },
      token_env: {
        says: 'or the variable that holds it; every profile must hand it on by `pass_env`',
        otherwise: 'no token',
        example: 'MC_TOKEN',
        remark: true,
      },
      runtimes: 'who starts the agents: `here`, or the `server`',
    },
  },
  {
    ...{ name: 'page', schema: PAGE, header: '[page]', sample: '[page]' },
    says: 'The page of `mc-pickup page`, written anew by a tick',
    keys: {
      file: { says: 'where: an absolute path, or one that begins with `~/`', example: '~/mc-pickup.html' },
      every_minutes: 'once it is older than this',
    },
  },
  {
    ...{ name: 'project', schema: PROJECT, header: '[project.NAME]', sample: '[project.shop]' },
    says: 'One for each git repository; `mc-pickup init --project` adds the one you stand in',
    keys: {
      repo: {
        says: 'the git repository: an absolute path, or one that begins with `~/`',
        example: '~/src/shop',
      },
      base: 'branch that work starts from; a tag or a commit is none',
      remote: 'where `base` is fetched from, into `refs/remotes/REMOTE/BASE`',
      path: {
        says: 'a folder of the repository, of a monorepo say: agents and hooks start in it; what is shown, reviewed and pushed is the whole branch',
        otherwise: 'the top of the repository',
        example: 'packages/app',
      },
      branch_prefix:
        'what the names of new branches begin with: `mc/MC-1-...`; older ones keep theirs, and are found all the same',
      fetch: 'whether to fetch before a worktree is made',
      fetch_timeout_seconds: 'bound of that fetch',
      checkout_timeout_seconds: 'bound of the checkout of a new worktree, and of each of its submodules',
      submodules: {
        says: 'whether a new worktree has its submodules, or theirs as well (`"recursive"`); from `.git/modules` of `repo` where they are there',
        otherwise: 'where the base has a `.gitmodules`',
        example: 'recursive',
      },
      base_max_age_days: 'a base older than this gives a warning',
      max_agents: { says: 'agents of this project at work', otherwise: NO_LIMIT, example: 2 },
      agents_may:
        '`["done"]`: `report done` of its agents makes a ticket `done`; else it waits in `in_review` for a person',
      worktrees: {
        says: 'where the worktrees are made',
        otherwise: '`<state dir>/worktrees/NAME`',
        example: '~/worktrees/shop',
      },
      default_agent: {
        says: "profile of this project's tickets",
        otherwise: "the top level's",
        example: 'claude',
      },
      copy: '`[".env*"]`: files of the main checkout that a new worktree gets a copy of (up to 1 MiB each, mode 0600); what stands there already stays',
      link: '`["node_modules"]`: names of the main checkout that it gets a link to: shared by all agents',
      after_create: {
        says: 'hook, run once in a new worktree; its failure fails the launch; a table as here, or the argv alone',
        example: { argv: ['npm', 'ci'], timeout_seconds: 300 },
      },
      before_run: {
        says: 'the same, run before every agent; its failure is a warning',
        example: ['make', 'setup'],
      },
      before_remove: {
        says: 'the same, run by `clean` before a worktree goes (`MC_TICKET_ID` says whose it was); its failure is told, and it goes none the less',
        example: ['docker', 'compose', 'down', '--volumes'],
      },
      pool: 'so many worktrees are kept ready for new tickets, with `after_create` run in them; ticks make them after their work',
      pool_max_age_hours: 'one that is older is made ready anew, and not given out before',
      pool_setup: {
        says: 'hook that makes one ready in place of `after_create`, which then runs as ever when a ticket gets it',
        otherwise: '`after_create`',
        example: ['npm', 'ci'],
      },
    },
  },
  {
    ...{ name: 'review', schema: REVIEW, header: '[project.NAME.review]', sample: '[project.shop.review]' },
    says: 'What happens to work of that project once it is in review; without this table a person sees to it',
    keys: {
      push: 'push the branch; never by force, and without hooks',
      remote: { says: 'where to', otherwise: "the project's `remote`", example: 'origin' },
      pull_request: '`github`: open one there; `command`: by a program of yours; `none`',
      repo: { says: 'the repository on GitHub; required for `github`', example: 'ann/shop' },
      head: {
        says: 'whose fork the branches are pushed to, where that is not `repo` itself: `remote` names the fork',
        otherwise: 'the owner of what `remote` pushes to',
        example: 'ann',
      },
      api_url: 'of GitHub, or of a GitHub Enterprise server',
      token_env: {
        says: 'the variable that holds the token; a scheduler must have it',
        otherwise: 'no token',
        example: 'GITHUB_TOKEN',
      },
      token_file: {
        says: 'or the file that holds it, mode 0600; relative to the configuration',
        otherwise: 'no token',
        example: '~/.config/mc-pickup/github-token',
        remark: true,
      },
      command: {
        says: 'that program; it reads JSON and prints JSON; a table as here, or the argv alone; required for `command`',
        example: { argv: ['/usr/local/bin/open-change'], timeout_seconds: 30 },
      },
      draft: 'open it as a draft',
      check_minutes: 'how often an open one is looked at',
      reviewer: {
        says: 'the profile whose agent reads the work and comments on it before a person does',
        otherwise: 'nobody',
        example: 'codex',
      },
    },
  },
  {
    ...{ name: 'hook', schema: HOOK, header: '{ ... }', sample: null },
    says: 'What `after_create`, `before_run`, `before_remove` and `command` may be',
    keys: {
      argv: 'program and arguments; no shell is involved',
      timeout_seconds: 'after which it is ended, and has failed',
    },
  },
  {
    ...{ name: 'agent', schema: AGENT, header: '[agent.NAME]', sample: '[agent.claude]', there: true },
    says: 'One profile for each client, or for each way to start one',
    keys: {
      kind: {
        says: '`claude`, `codex`, `opencode`, `gemini`, or `command` for any other program (its prompt is in `$MC_PROMPT_FILE`)',
        example: 'claude',
      },
      argv: {
        says: 'program and arguments; no shell is involved',
        otherwise: "the client's name; required for `command`",
        example: ['claude'],
      },
      env: 'variables for the agent',
      pass_env: "names of variables that are handed on from the dispatcher's environment",
      prompt: {
        says: 'a template of your own, in place of the built-in prompt',
        otherwise: 'the built-in prompt',
        example: 'Work on {{ticket.title}}.',
      },
      prompt_file: {
        says: 'or the file that holds it; relative to the configuration',
        otherwise: 'the built-in prompt',
        example: 'prompt.md',
        remark: true,
      },
      permission_mode: 'what the client may do unasked, in its own words',
      mode: "`interactive`, or `headless`: the client's mode for machines where nobody attaches",
      on_idle:
        'a turn that ended without a report: `auto` (to review when the branch has commits, else a nudge, then a person is asked), `review`, `nudge`, `needs_input` or `leave`',
      max_nudges: { says: 'continuation prompts of one run', otherwise: '2; 0 for `command`', example: 2 },
      fallback: {
        says: "the profile that takes over while this one's account is limited or not ready, or its program is not there",
        example: 'codex',
      },
      max_agents: { says: 'agents of this profile at work', otherwise: NO_LIMIT, example: 2 },
      settled: {
        says: 'the same as of `[limits]`, for this profile',
        otherwise: 'that of `[limits]`',
        example: 'keep',
      },
    },
  },
  {
    ...{ name: 'route', schema: ROUTE, header: '[[route]]', sample: '[[route]]' },
    says: 'Any number: the first that fits decides for tickets that name no profile; all that it names must fit',
    keys: {
      agent: { says: 'the profile', example: 'codex' },
      label: { says: 'a label that the ticket has', otherwise: 'any', example: 'docs' },
      project: { says: 'its project', otherwise: 'any', example: 'shop' },
      priority_at_most: {
        says: 'its priority is this or a smaller number (0 is the most urgent)',
        otherwise: 'any',
        example: 1,
      },
    },
  },
  {
    ...{ name: 'notify', schema: NOTIFY, header: '[[notify]]', sample: '[[notify]]' },
    says: 'Any number: who is told, by exactly one of `command`, `webhook` and `desktop`, and of what',
    keys: {
      on: '`needs_input` (parked tickets too), `parked`, `blocked`, `in_review`, `done`, `cancelled`, `retry`, `not_ready` (a client needs you), `killswitch`, `held` (something holds launches), `ticks_stopped`',
      command: {
        says: 'a program that reads the message as JSON from its standard input',
        example: { argv: ['/usr/local/bin/tell'], timeout_seconds: 10 },
      },
      webhook: {
        says: 'an address that the message is posted to as JSON, signed',
        example: { url: 'https://hooks.example/mc', secret_file: 'hook-secret' },
        remark: true,
      },
      desktop: 'a notification on the desktop of this machine',
      project: { says: 'tickets of this project only', otherwise: 'any', example: 'shop' },
      label: { says: 'tickets with this label only', otherwise: 'any', example: 'urgent' },
    },
  },
  {
    ...{ name: 'notify.command', schema: NOTIFY_COMMAND, header: '{ ... }', sample: null },
    says: 'A program that is told',
    keys: {
      argv: 'program and arguments; no shell is involved',
      timeout_seconds: 'after which it is ended, with all it started, and has failed',
    },
  },
  {
    ...{ name: 'notify.webhook', schema: NOTIFY_WEBHOOK, header: '{ ... }', sample: null },
    says: 'A server that is told',
    keys: {
      url: 'https, or http on this machine; it is never printed whole',
      secret_file: {
        says: 'file that holds what messages are signed with, mode 0600; relative to the configuration',
        otherwise: 'no signature',
      },
      secret_env: {
        says: 'or the variable that holds it; the scheduler must have it',
        otherwise: 'no signature',
      },
      timeout_seconds: 'after which it counts as failed',
    },
  },
  {
    ...{ name: 'ping', schema: PING, header: '[ping]', sample: '[ping]' },
    says: 'An address that hears of every tick, so that it can raise an alarm when none comes',
    keys: {
      url: {
        says: 'https, or http on this machine; called when a tick has ended well, and with `/fail` behind it otherwise',
        example: 'https://hc-ping.example/UUID',
      },
      start: 'also when a tick begins, with `/start` behind it',
      timeout_seconds: 'bound of one call',
    },
  },
  {
    ...{ name: 'metrics', schema: METRICS, header: '[metrics]', sample: '[metrics]' },
    says: 'The figures of `mc-pickup metrics`, written anew by every tick; exactly one of these',
    keys: {
      textfile_dir: {
        says: "node_exporter's directory of text files: `mc_pickup.prom` is written there",
        example: '/var/lib/prometheus/node-exporter',
      },
      file: { says: 'or a file by its whole name', example: '~/mc_pickup.prom', remark: true },
    },
  },
  {
    ...{ name: 'network', schema: NETWORK, header: '[network]', sample: '[network]' },
    says: 'How other machines are reached, for this program, git, hooks and agents, where the environment does not say it (a scheduler has no such variables)',
    keys: {
      https_proxy: {
        says: 'proxy for https, as `HTTPS_PROXY`; a name and a password in it are never printed',
        example: 'http://proxy.example:3128',
      },
      http_proxy: { says: 'proxy for http, as `HTTP_PROXY`', example: 'http://proxy.example:3128' },
      no_proxy: {
        says: 'who is asked directly, as `NO_PROXY`: names with all below them, addresses, ranges; this machine always is',
        example: 'intranet.example, 10.0.0.0/8',
      },
      ca_file: {
        says: 'certificates (PEM) that are trusted beside those of the machine, as `NODE_EXTRA_CA_CERTS`; relative to the configuration',
        example: '~/corporate-ca.pem',
      },
    },
  },
  {
    ...{ name: 'retention', schema: RETENTION, header: '[retention]', sample: '[retention]' },
    says: 'For how many days what piles up is kept, each 0 for ever; ticks take away a little at a time',
    keys: {
      ticks_days: 'what each tick did, but for the newest one of each host',
      history_days:
        'log lines and deliveries of tickets that were done or cancelled before that; those of others stay',
      runs_days:
        'directories of runs that ended before that, of tickets that are done or cancelled; 7 more days in `trash/`',
    },
  },
];

export const TABLES: readonly TableText[] = SAID.map((table) => ({
  ...table,
  keys: Object.fromEntries(
    Object.entries(table.keys).map(([key, said]) => {
      const text = typeof said === 'string' ? { says: said } : said;
      return [key, { ...defaultOf(table, key), ...text }];
    }),
  ),
}));

function defaultOf({ name, schema }: Table<unknown>, key: string): Omit<KeyText, 'says'> {
  const entry = schema.entries[key];
  if (entry === undefined) throw new Error(`no key ${key} in ${name}`);
  if (!v.is(entry, undefined)) return { otherwise: 'required' };
  const value = v.getDefault(entry) as TomlValue | undefined;
  return value === undefined ? { otherwise: 'none' } : { value };
}

/** A table by its name. */
export function tableText(name: string): TableText {
  const found = TABLES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no table ${name}`);
  return found;
}
