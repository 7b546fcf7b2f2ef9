import type { HoldFacts } from '../model/hold.ts';
import { oneLine } from '../model/text.ts';
import type { Switch } from '../model/world.ts';
import type { PageData } from './data.ts';
import { endingOf, used } from './derive.ts';
import { type Html, html } from './html.ts';
import { type Clock, DAY, iso, span, utcDay } from './time.ts';
import { dollars, many, said, short } from './words.ts';

/** What it is of, whether all goes on, and the few numbers that are asked for first. */
export function top(data: PageData, clock: Clock): Html {
  const every = data.every_minutes;
  return html`<header>
<h1>mc-pickup <span>${said(data.host.name, 60)}</span></h1>
<p class="facts">${clock.zone}, made at <time datetime="${iso(clock.now_ms)}">${clock.long(clock.now_ms)}</time>${
    every !== null &&
    html`. A tick writes this page anew every ${many(every, 'minute')}: if that is long ago, look at the scheduler`
  }.<br>Board <code>${oneLine(data.board, 300)}</code></p>
${state(data, clock)}
${numbers(data, clock)}
</header>
`;
}

interface Line {
  readonly bad: boolean;
  readonly head: string;
  readonly text: Html | string;
}

function state(data: PageData, clock: Clock): Html {
  const lines = [
    ...data.holds.map((one) => holdLine(one, clock)),
    ...[ticksLine(data, clock), switchesLine(data, clock), ...notes(data, clock)],
  ];
  return html`<ul class="state" aria-label="State">${lines.map(
    ({ bad, head, text }) =>
      html`<li class="${bad ? 'bad' : 'good'}"><span aria-hidden="true">${bad ? '▲' : '✓'}</span> <strong>${head}</strong> ${text}</li>
`,
  )}</ul>`;
}

/** Three intervals without a tick are no hiccup any more. */
function ticksLine({ last_tick, ticks }: PageData, clock: Clock): Line {
  if (ticks.because === 'halted')
    return {
      bad: true,
      head: 'Ticks come, and the killswitch halts them:',
      text: html`the last at ${clock.at(ticks.last_at_ms ?? clock.now_ms)}.`,
    };
  if (ticks.because === 'running') return { bad: false, head: 'Ticks come:', text: 'one is at work.' };
  if (last_tick === null)
    return {
      bad: true,
      head: 'No ticks yet',
      text: html`on this host. <code>mc-pickup dispatch</code> makes the first.`,
    };
  const since = clock.now_ms - last_tick.finished_at_ms;
  const when = html`${clock.at(last_tick.finished_at_ms)}, ${span(since)} before this page, outcome ${said(last_tick.outcome, 20)}.`;
  if (!ticks.coming)
    return {
      bad: true,
      head: 'Ticks have stopped:',
      text: html`the last was at ${when} Is the scheduler running?`,
    };
  return { bad: last_tick.outcome !== 'ok', head: 'Ticks come:', text: html`the last at ${when}` };
}

function holdLine({ scope, says, todo, since_at_ms }: HoldFacts, clock: Clock): Line {
  const head = `Held: ${oneLine(scope.replace(':', ' '), 80)}`;
  return {
    bad: true,
    head,
    text: html`since ${clock.at(since_at_ms)}: ${said(says, 400)}. To do: ${said(todo, 200)}.`,
  };
}

function switchesLine({ switches }: PageData, clock: Clock): Line {
  if (switches.length === 0) return { bad: false, head: 'Killswitch off.', text: '' };
  const one = ({ level, scope, reason, author, expires_at_ms }: Switch): Html =>
    html`${level === 'all' ? 'everything' : 'no launches'}${scope !== '*' && html` for ${said(scope, 80)}`}${
      expires_at_ms !== null && html` until ${clock.at(expires_at_ms)}`
    }, by ${said(author, 60)}: ${said(reason, 300)}`;
  return {
    bad: true,
    head: 'Killswitch ON:',
    text: html`${switches.map((each, n) => html`${n > 0 && '; '}${one(each)}`)}`,
  };
}

function notes({ broken, accounts, now_ms }: PageData, clock: Clock): Line[] {
  const found: Line[] = [];
  const [first] = broken;
  if (first !== undefined) found.push({ bad: true, head: 'Configuration broken:', text: said(first, 400) });
  for (const { name, not_ready, not_before_at_ms } of accounts) {
    if (not_ready !== null)
      found.push({ bad: true, head: `${oneLine(name, 40)} is not ready:`, text: said(not_ready, 300) });
    if (not_before_at_ms !== null && not_before_at_ms > now_ms)
      found.push({
        bad: true,
        head: `${oneLine(name, 40)} is limited`,
        text: html`until ${clock.at(not_before_at_ms)}.`,
      });
  }
  return found;
}

function numbers(data: PageData, clock: Clock): Html {
  const { history, limits, counts } = data;
  const since = clock.now_ms - DAY;
  const runs = history.runs.filter(({ ticket_id }) => ticket_id !== null);
  const done = new Set(
    history.events
      .filter(({ to, at_ms }) => to === 'done' && at_ms >= since)
      .map(({ ticket_id }) => ticket_id),
  ).size;
  const failed = runs.filter((run) => endingOf(run) === 'failed' && (run.ended_at_ms ?? 0) >= since).length;
  const today = used(data.usage).filter(({ day }) => day === utcDay(clock.now_ms));
  const usd = today.reduce((total, one) => total + (one.usd ?? 0), 0);
  const tokens = today.reduce((total, one) => total + one.tokens, 0);
  const all: readonly (readonly [string, string, string])[] = [
    ['Agents at work', String(data.slots_used), `of ${limits.max_agents} slots`],
    ['Ask a person', String(counts.needs_input), 'tickets'],
    ['To review', String(counts.in_review), 'tickets'],
    ['Done', String(done), 'in the last day'],
    ['Runs failed', String(failed), 'in the last day'],
    ['Used today', usd > 0 ? dollars(usd) : short(tokens), usd > 0 ? `${short(tokens)} tokens` : 'tokens'],
  ];
  return html`<dl class="numbers">${all.map(
    ([name, n, unit]) => html`<div><dt>${name}</dt><dd><b>${n}</b> <span>${unit}</span></dd></div>
`,
  )}</dl>`;
}
