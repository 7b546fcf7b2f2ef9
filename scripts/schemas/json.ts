/**
 * What every command prints with `--json`. A new command gets an entry here; `node scripts/schemas.ts` writes its schema and
 * its row in docs/json.md, and test/json/ fails until its output was seen there.
 */

import { TOLD } from '../../src/model/policy.ts';
import { REVIEW_STAGES } from '../../src/model/review.ts';
import {
  always,
  anything,
  list,
  maybe,
  number,
  object,
  oneOf,
  orNull,
  record,
  type Schema,
  text,
  whole,
  yes,
} from './build.ts';
import {
  ACTIVITIES,
  ACTIVITY,
  at,
  evidence,
  HOLD,
  phase,
  plannedSteps,
  REVIEW,
  RUNTIME,
  SWITCH,
  skipped,
  status,
  steps,
  TICKET,
  VERDICTS,
} from './parts.ts';

export interface Printed {
  /** The schema is `mc-pickup.NAME/1`, in `docs/json/NAME.schema.json`. */
  readonly name: string;
  /** Every command that prints it, with the option that makes it print this and not something else: `status --check`. */
  readonly commands: readonly string[];
  /** One object or array a line, as things happen. */
  readonly lines?: true;
  readonly schema: Schema;
}

const outcome = oneOf(['ok', 'halted', 'overlap', 'partial', 'unavailable'], 'how the tick ended');
const config_errors = list({ type: 'string' }, 'FILE:LINE:COLUMN: KEY: what is wrong with the configuration');
const ticketId = text('the ticket');
const runId = text('the run');
const used = object('places', { used: whole('taken'), max: orNull(whole('null = no limit of its own')) });
const TICKS_BECAUSE = ['ticks_come', 'halted', 'running', 'stopped', 'never', 'in_the_future'];
const ticksBecause = oneOf(TICKS_BECAUSE, 'why');
const COMMITS = list(
  object('a commit', {
    sha: text('its id'),
    author: text('whose'),
    at_ms: at('when'),
    subject: text('its first line'),
  }),
  'the newest first',
);

const CHANGE = object('a file', {
  path: text('its path'),
  status: text("git's letter, such as A, M or D; ? = not known to git"),
  added: orNull(whole('lines; null = binary, or not counted')),
  removed: orNull(whole('lines; null = binary, or not counted')),
});
const scheduler = oneOf(['cron', 'systemd', 'launchd'], 'which');
const DIFF = list({ type: 'string' }, 'the change, line by line; empty = none');
const KEPT = list({ type: 'string' }, 'files with what was there before');
const KNOWN_TICKET = {
  id: text('the ticket'),
  source: orNull(text('where it comes from; null = it was made here')),
  title: text('as it was'),
};
const NOTES = list({ type: 'string' }, 'what else a person should know');

const LEFTOVERS = list(
  object('a process', {
    pid: whole('its number'),
    run: text('the run that has left it: it stands in its environment'),
    ticket: orNull(ticketId),
    program: text('what it is'),
    age_ms: orNull(whole('since it was started; null = not known')),
    rss_bytes: orNull(whole('the memory that it takes; null = not known')),
  }),
  'processes that runs which have ended left behind; a person ends them: stop --leftovers, clean',
);

const NOT_COMING = object('a ticket that will not be done by itself', {
  id: ticketId,
  status: orNull(oneOf(['cancelled', 'blocked'], 'null = the board has no such ticket')),
});

const cleanGroup = oneOf(['worktrees', 'runs', 'activity', 'runtimes', 'branches'], 'as --only takes them');

export const PRINTED: readonly Printed[] = [
  {
    name: 'tick',
    commands: ['dispatch', 'reconcile'],
    schema: object('one tick', {
      schema: always('mc-pickup.tick/1', 'the name of this schema'),
      tick_id: orNull(text('null = halted at the gate')),
      host_id: orNull(text('this host; null = the tick did not get so far')),
      dry_run: yes('nothing was written'),
      outcome,
      gate: object('the killswitch', {
        open: yes('the tick went on'),
        reason: orNull(text('of the switch that is on')),
        level: orNull(oneOf(['dispatch', 'all'], 'of that switch')),
      }),
      reconcile: steps('what was brought in line'),
      dispatch: steps('what was launched or adopted'),
      skipped,
      counts: record(
        whole('how many'),
        'reconciled, launched, skipped, live, todo_beyond; empty for a tick that did not begin',
      ),
      holds: maybe(list(HOLD, 'what held launches when this was decided; not there where nothing did')),
      config_errors: maybe(config_errors),
      error: maybe(text('what could not be seen')),
      publish: maybe(
        list(
          object('a ticket in review', {
            ticket: ticketId,
            because: oneOf(['in_review', 'changed', 'retry_due', 'check_due'], 'why'),
            does: list({ enum: ['read', 'push', 'open', 'look'] }, 'what would be done with it'),
          }),
          'of a dry run: what would go out, where a project has a review table',
        ),
      ),
      duration_ms: number('how long it took'),
    }),
  },
  {
    name: 'status',
    commands: ['status'],
    schema: object('the board and what lives', {
      counts: record(whole('tickets'), 'tickets by status'),
      live: list(
        object('a run that has not ended', {
          ticket: orNull(text('its ticket; null = a chat')),
          run: runId,
          title: text('of the ticket'),
          status: orNull(status('of the ticket; null = a chat')),
          phase,
          verdict: oneOf([...VERDICTS, 'launching'], 'whether its process lives'),
          activity: oneOf(ACTIVITIES, 'what its events say'),
          question: orNull(text('what it asks')),
          pid: orNull(whole('its process')),
          agent: text('its profile'),
          attempt: whole('of how many'),
          branch: orNull(text('the branch of its work')),
          worktree: orNull(text('where it works')),
          since_ms: at('since when it runs'),
          run_dir: text('prompt, events and logs of the run'),
        }),
        'runs that have not ended',
      ),
      waiting: list(
        object('a ticket that waits for a person', {
          id: ticketId,
          title: text('of the ticket'),
          question: text('what it asks; may be empty'),
        }),
        'tickets in needs_input',
      ),
      retries: list(
        object('a ticket whose back-off is not over', {
          id: ticketId,
          title: text('of the ticket'),
          attempts: whole('failures that count'),
          not_before_at_ms: at('when it may be launched again'),
          why: orNull(text('what became of its last attempt or launch, in words')),
        }),
        'tickets in todo that wait for a back-off, the next one first',
      ),
      in_vain: list(
        object('a ticket in todo that waits for what will not come', {
          id: ticketId,
          title: text('of the ticket'),
          for: list(NOT_COMING, 'what it waits for, of that'),
        }),
        'the first of those',
      ),
      reviews: list(
        object('a ticket in review of which anything went out, or was to', {
          id: ticketId,
          title: text('of the ticket'),
          stage: oneOf(REVIEW_STAGES, 'how far it has come'),
          url: orNull(text('of the pull request')),
          error: orNull(text('what went wrong last')),
          next_at_ms: orNull(at('when a tick sees to it again; null = not by itself')),
        }),
        'what went out of tickets in review',
      ),
      slots: object('places for agents on this host', {
        used: whole('taken'),
        max: whole('limits.max_agents'),
        living: object('all that live, whatever they do', {
          used: whole('as far as is known'),
          max: whole('limits.max_living, or twice max_agents'),
        }),
        projects: record(used, 'by project'),
        agents: record(used, 'by profile'),
      }),
      accounts: list(
        object('a profile that is not launched now', {
          name: text('of the profile'),
          limited_until_ms: orNull(at("the end of its account's limit")),
          limited_by: orNull(text('why, in the words of its client')),
          not_ready: orNull(text('what a person has to do first')),
        }),
        'profiles that are limited or not ready',
      ),
      holds: list(HOLD, 'what holds launches though no ticket is at fault'),
      switches: list(SWITCH, 'the killswitch'),
      launches: object('what is known of launches beside the killswitch', {
        released_at_ms: orNull(at('when they were last released on this host; null = never')),
        held: orNull(
          object('the tmux server was lost again and again: nothing is launched for a while', {
            losses: number('how often in half an hour'),
            until_ms: at('until when'),
            tickets: list(text('a ticket'), 'tickets whose runs lived each time'),
          }),
        ),
        lacks: orNull(
          text(
            'what the machine had too little of at the last tick; null = nothing, or nothing was to be launched',
          ),
        ),
      }),
      last_tick: orNull(
        object('the last tick of this host', { id: text('its id'), at_ms: at('its end'), outcome }),
      ),
      ticks: object('whether ticks still come', {
        last_at_ms: orNull(at('the end of the last one, halted ones included; null = there was none')),
        interval_ms: number('how often one is due, milliseconds'),
        coming: yes('they do'),
        because: ticksBecause,
        reason: orNull(text('why they are halted')),
        running_since_ms: orNull(at('since when one runs now; null = none is seen')),
        overdue: orNull(
          object('what has the tick lock for longer than it ever may; null = nothing is known to', {
            pid: number('its process'),
            what: text('its command'),
            held_ms: number('for how long it has had it while the machine was awake, milliseconds'),
          }),
        ),
      }),
      config_errors,
      clock: orNull(
        text('what other machines say of the clock of this one; null = it is not wrong by hours'),
      ),
      leftovers: LEFTOVERS,
    }),
  },
  {
    name: 'status-check',
    commands: ['status --check'],
    schema: object('whether ticks still come, for a monitor', {
      ok: yes('they do'),
      last_tick_at_ms: orNull(at('the end of the last one')),
      age_ms: orNull(number('how long ago that was, milliseconds')),
      intervals: orNull(number('the same in intervals')),
      because: oneOf([...TICKS_BECAUSE, 'board_unreadable'], 'why'),
      error: maybe(text('why the board cannot be read')),
    }),
  },
  {
    name: 'explain',
    commands: ['explain'],
    schema: object('one ticket: what happened, what a tick would do now', {
      ticket: object('the ticket', TICKET),
      history: list(ACTIVITY, 'what happened, in the order of time'),
      runs: list(RUNTIME, 'its runs, the newest first'),
      told: list(
        object('one line of what happened: of the log, or of ticks that passed it over', {
          at_ms: at('when'),
          until_ms: at('of ticks that passed it over for the same reason: the last one'),
          ticks: whole('how many ticks it stands for; 0 = it is of the log'),
          kind: text('as in mc-pickup.log/1, or skipped'),
          because: orNull(text('why, a literal')),
          text: text('words for people'),
          evidence,
        }),
        'the history with its evidence, in the order of time',
      ),
      reviews: list(REVIEW, 'what went out of each claim, in their order'),
      words: list(
        object('an answer, or comments on work', {
          id: whole('its number'),
          ticket_id: ticketId,
          text: text('as it was said'),
          author: text('whose'),
          at_ms: at('when'),
          honoured_by: orNull(
            text(
              'the run that reported, or ended a turn, after it had had it; null = owed to the next attempt',
            ),
          ),
          honoured_at_ms: orNull(at('when that was')),
          had: list(
            object('a run that had it', {
              run_id: runId,
              outcome: oneOf(
                ['prompt', 'delivered', 'indeterminate'],
                'in its first prompt, or into its terminal',
              ),
              at_ms: at('when'),
            }),
            'in the order of time',
          ),
        }),
        'what people have said of it, the oldest first',
      ),
      next: object('a tick at this moment', { steps: plannedSteps, skipped }),
      leftovers: LEFTOVERS,
      in_vain: list(NOT_COMING, 'what it waits for, of that which will not come'),
    }),
  },
  { name: 'log', commands: ['log'], lines: true, schema: ACTIVITY },
  {
    name: 'diff',
    commands: ['diff'],
    schema: object('what the branch of a ticket has that its base does not', {
      ticket: ticketId,
      base: object('where the work began', { name: text('of the branch'), sha: text('the commit') }),
      branch: text('of the ticket, or the one that its agent has left the work on; HEAD = a detached one'),
      worktree: orNull(text('null = it is gone')),
      merged: yes('the base has it all'),
      dropped: whole(
        'commits that the work began with, and that its base has no more; they are not among them',
      ),
      commits: COMMITS,
      files: list(CHANGE, 'what is committed'),
      uncommitted: list(CHANGE, 'what is in the worktree alone'),
      elsewhere: list(
        object('commits of the worktree that are not among them', {
          name: orNull(text('the branch that they are on; null = a detached HEAD')),
          tip: text('the last one'),
          commits: whole('how many'),
        }),
        'where its agent has committed beside; it is decided by hand what of it belongs to the work',
      ),
      stashed: list(
        object('an entry of the stash', { name: text('as git calls it'), says: text('where it was made') }),
        'what its agent has stashed, and not taken up again',
      ),
      submodules: list(
        object('a submodule that is checked out there', {
          path: text('where'),
          from: orNull(text('the commit that the base has it at; null = it has none, or the same')),
          to: orNull(text('the commit that the branch has it at')),
          commits: COMMITS,
          on_remote: yes('its remote has the commit of the branch'),
        }),
        'those that the branch has changed, and those with changes of their own; what of them is not committed is in `uncommitted`',
      ),
    }),
  },
  {
    name: 'transcript',
    commands: ['transcript'],
    lines: true,
    schema: object('one thing that was said or done in a run', {
      at_ms: orNull(at('when; null = the record does not tell')),
      who: oneOf(['user', 'assistant', 'tool', 'result', 'note', 'output'], 'whose words'),
      text: text('as it was recorded, cleaned of control characters'),
    }),
  },
  {
    name: 'notify',
    commands: ['notify'],
    schema: list(
      object('one channel', {
        channel: text('its kind and where it leads, never the whole address'),
        on: list(oneOf(TOLD, 'a kind of event'), 'what it hears of'),
        ok: yes('the test message got through'),
        error: orNull(text('why it did not')),
      }),
      'what came of a test message',
    ),
  },
  {
    name: 'page',
    commands: ['page'],
    schema: object('the page that was written', {
      file: text('where'),
      bytes: whole('how large'),
      days: whole('how many days of use and throughput it shows'),
    }),
  },
  {
    name: 'schedule-show',
    commands: ['schedule show'],
    schema: object('what starts ticks of this state dir', {
      id: text('stands in the marks and the names of units'),
      state_dir: text('the state dir'),
      config: text('the configuration'),
      install_with: orNull(scheduler),
      schedulers: list(
        object('a scheduler of this machine', {
          with: scheduler,
          state: oneOf(['installed', 'differs', 'none', 'unknown'], 'differs: from what install would write'),
          says: text('in words'),
          diff: DIFF,
        }),
        'those that are there',
      ),
      would_write: orNull(
        list(
          object('a crontab or a file', { name: text('which'), text: text('what install has there') }),
          'what install would write',
        ),
      ),
      error: orNull(text('why install cannot be done')),
      notes: NOTES,
    }),
  },
  {
    name: 'schedule-install',
    commands: ['schedule install'],
    schema: object('what was installed', {
      with: scheduler,
      changed: yes('false = it was up to date, or a dry run'),
      dry_run: yes('nothing was written'),
      diff: DIFF,
      kept: KEPT,
      log: text('where what ticks print goes'),
      notes: NOTES,
    }),
  },
  {
    name: 'schedule-remove',
    commands: ['schedule remove'],
    schema: object('what was taken out', {
      removed: list(object('from one scheduler', { with: scheduler, diff: DIFF, kept: KEPT }), 'from where'),
      dry_run: yes('nothing was written'),
    }),
  },
  {
    name: 'ticket',
    commands: [
      'ticket add',
      'ticket edit',
      'ticket move',
      'ticket comment',
      'ticket approve',
      'ticket rework',
    ],
    schema: object('the ticket as it is now', TICKET),
  },
  {
    name: 'ticket-publish',
    commands: ['ticket publish'],
    schema: object('what went out', {
      ticket: ticketId,
      published: yes('false = it failed, and is tried again later'),
      text: text('words for people'),
    }),
  },
  {
    name: 'ticket-merge',
    commands: ['ticket merge'],
    schema: object('what the base has now', {
      ticket: ticketId,
      status: text('of the ticket now'),
      into: text('the base'),
      how: oneOf(['fast_forward', 'merge_commit', 'already'], 'already = it had all before'),
      head: text('the commit that the base is at'),
      checkout: orNull(text('the checkout of the base, which has followed; null = there is none')),
      pushed: yes('the base was pushed'),
    }),
  },
  {
    name: 'ticket-show',
    commands: ['ticket show'],
    schema: object('one ticket, whole', {
      ...TICKET,
      runs: list(RUNTIME, 'its runs, the newest first'),
      activity: list(ACTIVITY, 'what happened, in the order of time'),
      reviews: list(REVIEW, 'what went out of each claim, in their order'),
    }),
  },
  {
    name: 'ticket-list',
    commands: ['ticket list'],
    schema: list(object('a ticket', TICKET), 'in the order in which they came'),
  },
  {
    name: 'ticket-import',
    commands: ['ticket import'],
    schema: object('what came in', {
      dry_run: yes('nothing was written'),
      format: oneOf(['markdown', 'jsonl', 'csv', 'beads', 'github'], 'what was read'),
      added: list(
        object('a new ticket', {
          id: orNull(text('its number; null = a dry run')),
          source: text('where it comes from; no other ticket of the board has it'),
          title: text('one line'),
          status: status('where it stands'),
          project: text('its project'),
          where: text('its place in the file, or its issue'),
        }),
        'tickets that were not there',
      ),
      updated: list(
        object('a ticket that was changed', {
          ...KNOWN_TICKET,
          changed: list({ type: 'string' }, 'which of its fields'),
        }),
        'with --update',
      ),
      left: list(
        object('a ticket that differs from its source', {
          ...KNOWN_TICKET,
          because: oneOf(['touched', 'other_author', 'changed_meanwhile'], 'why it was left as it is'),
        }),
        'with --update',
      ),
      there: whole('how many are there already, with nothing to do'),
      skipped: list(
        object('a task that is no ticket', {
          where: text('its place'),
          title: text('one line'),
          because: oneOf(['done', 'no_task', 'other_label'], 'why not'),
        }),
        'what was passed over',
      ),
      bad: list(
        object('what could not be imported', {
          where: text('its place'),
          why: text('what is wrong with it'),
        }),
        'with --skip-bad; without it nothing is imported',
      ),
    }),
  },
  {
    name: 'ticket-export',
    commands: ['ticket export'],
    lines: true,
    schema: {
      description: 'a ticket a line; one object where a file is named',
      anyOf: [
        object('a ticket', {
          schema: always('mc-pickup.ticket-export/1', 'the name of this schema'),
          id: text('its number on this board'),
          source: text(
            'where it comes from, such as github:owner/name#12; one that was made here comes from this board',
          ),
          title: TICKET.title,
          body: TICKET.body,
          status: TICKET.status,
          priority: TICKET.priority,
          project: TICKET.project,
          labels: TICKET.labels,
          agent: TICKET.agent,
          owner: TICKET.owner,
          author: TICKET.author,
          trusted: TICKET.trusted,
          depends_on: list(
            { type: 'string' },
            'tickets that must be done first: numbers in this export, else sources',
          ),
          attempts: TICKET.attempts,
          not_before_at: orNull(text('the end of its back-off, UTC')),
          reason: TICKET.reason,
          reason_text: TICKET.reason_text,
          created_at: orNull(text('when it was added, UTC')),
          updated_at: orNull(text('when it was last changed, UTC')),
          comments: list(
            object('a comment', {
              author: text('who wrote it'),
              at: orNull(text('when, UTC')),
              text: text('what it says'),
            }),
            'in the order of time',
          ),
        }),
        object('a file', {
          file: text('its path'),
          format: oneOf(['jsonl', 'csv', 'markdown'], 'how it is written'),
          tickets: whole('how many are in it'),
        }),
      ],
    },
  },
  {
    name: 'agents',
    commands: ['agents'],
    schema: list(
      object('a profile', {
        name: text('of the profile'),
        kind: oneOf(['command', 'claude', 'codex', 'opencode', 'gemini'], 'its client'),
        mode: oneOf(['interactive', 'headless'], 'how it is run'),
        fallback: orNull(text('the profile that takes over')),
        program: orNull(text('what is started; null = it was not found')),
        supported: yes('there is an adapter for this kind'),
        not_ready: orNull(text('what a person has to do first')),
        limited_until_ms: orNull(at("the end of its account's limit")),
        held_by: orNull(text('why one run alone tries it, or none, in the words of its client')),
        today: object('its use of this UTC day', { tokens: whole('tokens'), usd: number('dollars') }),
      }),
      'the profiles',
    ),
  },
  {
    name: 'agents-ready',
    commands: ['agents ready'],
    schema: object('a profile that is launched again', {
      agent: text('the profile'),
      changed: yes('false = it was ready already'),
    }),
  },
  {
    name: 'doctor',
    commands: ['doctor'],
    schema: list(
      object('one thing that was looked at', {
        topic: text('programs, state, board, agents, projects, ticks or machine'),
        only_as_cron: maybe(always(true, 'with --as-cron: it is so only in the environment of a scheduler')),
        check: text('what'),
        result: oneOf(['ok', 'warn', 'fail'], 'fail: agents cannot be launched before it is mended'),
        says: text('what was found'),
        fix: orNull(text('what to do; null = nothing')),
      }),
      'everything that was looked at',
    ),
  },
  {
    name: 'killswitch',
    commands: ['killswitch on', 'killswitch off', 'killswitch status'],
    schema: object('the killswitch as it is now', {
      on: yes('a switch is on'),
      switches: list(SWITCH, 'those that are on'),
    }),
  },
  {
    name: 'init',
    commands: ['init'],
    schema: object('where things are', {
      state_dir: text('the state dir'),
      config: text('the configuration'),
      board: text('the file, or the address of the server'),
      project: maybe(text('with --project: its name')),
      path: maybe(orNull(text('with --path: the folder of the repository that agents start in'))),
      trust: maybe(
        list(
          object('a client', {
            kind: text('which'),
            file: text('where it says whom it trusts'),
            was: text('trusted, untrusted or unknown, before'),
          }),
          'with --trust: what the clients said before',
        ),
      ),
    }),
  },
  {
    name: 'backup',
    commands: ['backup'],
    schema: object('the copy', {
      file: text('where it is'),
      bytes: whole('how large it is'),
      removed: list({ type: 'string' }, 'older copies that were removed'),
    }),
  },
  {
    name: 'restore',
    commands: ['restore'],
    schema: object('what was put in place', {
      board: text('the board'),
      kept: orNull(text('the board before it; null = there was none')),
    }),
  },
  {
    name: 'delivery',
    commands: ['send', 'answer'],
    schema: object('what became of a text or of a permission', {
      ticket: ticketId,
      run: orNull(text('the run that has it; null = there is none')),
      delivery: maybe(text('its id in the ledger; missing = nothing was sent')),
      outcome: oneOf(
        ['delivered', 'indeterminate', 'kept'],
        'indeterminate: pasted, but not acknowledged; kept: for the next attempt',
      ),
    }),
  },
  {
    name: 'stop',
    commands: ['stop'],
    schema: object('the run that is over', { ticket: ticketId, run: runId, stopped: always(true, 'it is') }),
  },
  {
    name: 'stop-leftovers',
    commands: ['stop --leftovers'],
    schema: object('what the runs of a ticket that have ended left behind', {
      ticket: ticketId,
      ended: LEFTOVERS,
      left: LEFTOVERS,
    }),
  },
  {
    name: 'report',
    commands: ['report'],
    schema: object('what an agent has reported', {
      run: runId,
      ticket: orNull(ticketId),
      status: status('of the ticket now, or once a kept report has been told'),
      kept: maybe(yes('the board could not be told: the next tick tells it')),
      because: maybe(text('why it could not; with kept')),
    }),
  },
  {
    name: 'clean',
    commands: ['clean'],
    schema: object('what may go, or what went', {
      dry_run: yes('nothing was written: it was without --yes'),
      items: list(
        object('one thing', {
          group: cleanGroup,
          kind: text('worktree, cut_off, branch, run, trash, mark, process, activity, ticks or deliveries'),
          name: text('a path, a branch, or a table of the board'),
          ticket: orNull(ticketId),
          because: text('why it may go, a literal such as merged, squashed, pushed or ended_long_ago'),
          says: text('the same in words'),
          bytes: orNull(whole('how much there is of it')),
          rows: orNull(whole('rows of the board')),
          result: oneOf(
            ['planned', 'done', 'left', 'failed'],
            'planned = a dry run; left = it has changed meanwhile',
          ),
          restore: orNull(text('the command that brings it back; of a dry run, how')),
          error: maybe(text('why it was left, or has failed')),
        }),
        'in the order in which they go',
      ),
      left: list(
        object('something that stays', {
          group: cleanGroup,
          name: text('a path, a branch, or the address of a server'),
          ticket: orNull(ticketId),
          because: text('why, a literal such as unsaved, unmerged, ignored_files or in_use'),
          says: text('the same in words'),
        }),
        'what was looked at and stays',
      ),
      advice: list(
        object('a process that runs without a reason to', {
          command: text('what ends it; no agent is ended by clean'),
          ticket: orNull(ticketId),
          says: text('why it is named'),
        }),
        'for a person to decide',
      ),
    }),
  },
  {
    name: 'config-path',
    commands: ['config path'],
    schema: object('which files are used', {
      config: text('the configuration'),
      config_from: from('--config, MC_PICKUP_CONFIG, XDG_CONFIG_HOME'),
      config_exists: yes('it is there'),
      state_dir: text('the state dir'),
      state_dir_from: from('--state-dir, MC_PICKUP_STATE_DIR, XDG_STATE_HOME'),
      state_dir_exists: yes('it is there'),
      schema: orNull(text('the JSON Schema of the configuration, for editors; null = it was not installed')),
    }),
  },
  {
    name: 'config-check',
    commands: ['config check'],
    schema: object('whether a configuration can be used', {
      file: text('the file; - = standard input'),
      ok: yes('it can'),
      complaints: list(
        object('a mistake', {
          line: orNull(whole('from 1; null = it is in no line of the file')),
          column: orNull(whole('from 1, in UTF-16 units')),
          key: orNull(text('the dotted key, or a variable of the environment; null = the whole file')),
          says: text('what is wrong'),
        }),
        'every mistake',
      ),
      warnings: list(
        object('something that can be used, and is hardly meant', {
          line: orNull(whole('from 1; null = it is in no line of the file')),
          column: orNull(whole('from 1, in UTF-16 units')),
          key: orNull(text('the dotted key')),
          says: text('what is odd'),
        }),
        'of a configuration without mistakes',
      ),
    }),
  },
  {
    name: 'config-show',
    commands: ['config show'],
    schema: object('what is in force', {
      file: text('the configuration'),
      settings: list(
        object('one key', {
          key: text('the dotted key, as TOML writes it; tables of an array by number, from 0'),
          value: anything('what is in force; "***" in place of a secret; null = nothing is set'),
          from: oneOf(['file', 'environment', 'default'], 'where it comes from'),
          line: orNull(whole('of the file')),
          variable: orNull(text('of the environment')),
        }),
        'those that are set; with --defaults all',
      ),
    }),
  },
  {
    name: 'config-edit',
    commands: ['config edit'],
    schema: object('what became of the draft', {
      config: text('the configuration'),
      result: oneOf(['replaced', 'unchanged', 'kept', 'dropped'], 'of the edit'),
      draft: orNull(text('where it is kept')),
    }),
  },
];

function from(three: string): Schema {
  return oneOf(['option', 'environment', 'xdg', 'default'], `${three}, or the default`);
}

/** The file of a schema, as JSON. Whatever an object has beyond its properties is for a later version: readers pass over it. */
export function printedSchema({ name, commands, lines, schema }: Printed): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: `mc-pickup.${name}/1`,
    title: `${commands.map((one) => `mc-pickup ${one}`).join(', ')}: --json${lines ? ', each line' : ''}`,
    ...schema,
  };
}

/** The rows of docs/json.md. */
export function printedRows(): string[][] {
  return PRINTED.flatMap(({ name, commands, lines, schema }) =>
    commands.map((command) => [
      `\`${command}\``,
      lines ? 'an object a line' : schema.type === 'array' ? 'an array' : 'an object',
      `[mc-pickup.${name}/1](json/${name}.schema.json)`,
    ]),
  );
}
