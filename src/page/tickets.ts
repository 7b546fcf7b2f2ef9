import type { HistoryRun } from '../board/port/index.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { OPEN, type Open, type PageData } from './data.ts';
import { type Html, html } from './html.ts';
import type { Clock } from './time.ts';
import { many, plain, said } from './words.ts';

/** Tickets of a column that are shown; the rest is counted. */
export const CAP = 5;

const HEADS: Readonly<Record<Open, readonly [string, string, string]>> = {
  todo: ['○', 'To do', 'Nothing waits.'],
  in_progress: ['◐', 'In progress', 'Nobody works.'],
  needs_input: ['?', 'Needs input', 'No questions.'],
  in_review: ['◇', 'In review', 'Nothing to review.'],
  blocked: ['■', 'Blocked', 'Nothing is blocked.'],
};

/** The tickets by status, as far as there is room. */
export function tickets(data: PageData, clock: Clock): Html {
  const latest = new Map<string, HistoryRun>();
  for (const run of data.history.runs) if (run.ticket_id !== null) latest.set(run.ticket_id, run);
  const total = Object.values(data.counts).reduce((all, n) => all + n, 0);
  return html`<section id="board" aria-labelledby="board-h">
<h2 id="board-h">Board</h2>
${total === 0 && html`<p class="empty">No tickets yet. The first: <code>mc-pickup ticket add --title "Fix the login"</code></p>`}
<div class="columns">
${OPEN.map((status) => column(status, data, latest, clock))}
</div>
${settled(data, clock)}
</section>
`;
}

function column(status: Open, data: PageData, latest: ReadonlyMap<string, HistoryRun>, clock: Clock): Html {
  const [mark, name, none] = HEADS[status];
  const shown = data.open[status].slice(0, CAP);
  const more = data.counts[status] - shown.length;
  return html`<section class="column" aria-labelledby="c-${status}">
<h3 id="c-${status}"><span aria-hidden="true">${mark}</span> ${name} <b>${data.counts[status]}</b></h3>
${
  shown.length === 0
    ? html`<p class="empty">${none}</p>`
    : html`<ul>
${shown.map((one) => card(one, latest.get(one.id) ?? null, data, clock))}</ul>`
}
${more > 0 && html`<p class="more">and ${more} more</p>`}
</section>
`;
}

function card(ticket: Ticket, run: HistoryRun | null, { limits, now_ms }: PageData, clock: Clock): Html {
  const { attempts, not_before_at_ms, owner, status } = ticket;
  const live = run !== null && run.ended_at_ms === null ? run : null;
  const facts: (Html | string | false)[] = [
    said(ticket.project, 40),
    said(live?.agent ?? ticket.agent ?? run?.agent ?? 'any agent', 40),
    owner !== null && owner !== ticket.agent && html`owner ${said(owner, 40)}`,
    live !== null && html`${said(live.activity, 20)}, started ${clock.at(live.claimed_at_ms)}`,
    live === null && status !== 'todo' && html`since ${clock.at(ticket.updated_at_ms)}`,
    attempts > 0 && `${attempts} of ${many(limits.max_attempts, 'attempt')} used`,
    status === 'todo' &&
      not_before_at_ms !== null &&
      not_before_at_ms > now_ms &&
      html`again at ${clock.at(not_before_at_ms)}`,
  ];
  const branch = live?.branch ?? (status === 'todo' ? null : run?.branch) ?? null;
  const why = whyOf(ticket);
  return html`<li><p class="id"><b>${oneLine(ticket.id, 30)}</b> <span class="prio" title="priority ${ticket.priority}, 0 is the most urgent">P${ticket.priority}</span></p>
<p class="title" dir="auto">${oneLine(ticket.title, 120)}</p>
${why}
<p class="meta">${facts.filter((one) => one !== false).map((one, n) => html`${n > 0 && ' · '}${one}`)}</p>
${branch !== null && html`<p class="meta"><code>${oneLine(branch, 80)}</code></p>`}
</li>
`;
}

function whyOf({ status, reason, reason_text }: Ticket): Html | null {
  if (reason === null || status === 'in_progress') return null;
  const quiet = reason === 'moved' || reason === 'reported' || reason === 'asked';
  if (quiet && !reason_text) return null;
  return html`<p class="why">${!quiet && html`<b>${plain(reason)}</b>${reason_text ? ': ' : ''}`}${reason_text ? said(reason_text, 160) : null}</p>`;
}

function settled({ settled: all, counts, days }: PageData, clock: Clock): Html {
  const total = many(counts.done + counts.cancelled, 'ticket');
  return html`<section class="settled" aria-labelledby="c-settled">
<h3 id="c-settled"><span aria-hidden="true">●</span> Done <b>${counts.done}</b> <span aria-hidden="true">×</span> Cancelled <b>${counts.cancelled}</b></h3>
${
  all.length === 0
    ? html`<p class="empty">None in the last ${many(days, 'day')}${counts.done + counts.cancelled > 0 && `; ${total} before`}.</p>`
    : html`<ul>${all.map(
        ({ id, title, status, updated_at_ms }) =>
          html`<li><b>${oneLine(id, 30)}</b> ${said(title, 90)} <span class="meta">${status}, ${clock.at(updated_at_ms)}</span></li>
`,
      )}</ul>`
}
</section>
`;
}
