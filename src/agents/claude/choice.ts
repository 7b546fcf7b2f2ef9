import type { ChoiceDialog, Move, OpenChoice } from '../adapter.ts';

/** What stands below each of its questions. */
const FOOT = /^(Enter to select \u00b7 |\s*\d+\. Chat about this$)/;
const OPTION = /^([\u276f ]) (\d+)\. (?:\[(.)\] )?(.+)$/;
/** Where it takes a text of one's own; once one is in, that stands in its place. */
const OWN = /^Type something\.?$/;
const RULE = /^\u2500{20,}$/;

interface Row {
  readonly n: number;
  readonly label: string;
  /** null = one alone can be chosen. */
  readonly ticked: boolean | null;
  readonly at: boolean;
  /** As it stands on the screen. */
  readonly shown: string;
}

interface Dialog {
  /** Its questions, by whether each is answered: `←  ☒ Colour  ☐ Size  ✔ Submit  →`, or one alone. */
  readonly tabs: string;
  readonly question: readonly string[];
  readonly rows: readonly Row[];
}

/** AskUserQuestion of Claude Code: a digit chooses, or ticks where several may be chosen; then Tab leads on, and what has been chosen is
 *  submitted at the end. */
export const claudeChoice: ChoiceDialog = {
  read(screen) {
    const dialog = dialogIn(screen);
    return dialog === null || isReview(dialog) ? null : openIn(dialog);
  },
  next(screen, { name }, chosen) {
    const dialog = dialogIn(screen);
    if (dialog === null) return { do: 'nothing' };
    if (isReview(dialog)) return submit(dialog);
    const open = openIn(dialog);
    if (open.name !== name) return { do: 'nothing' };
    const asked = dialog.question.at(-1) ?? '';
    const press = (key: string, row: Row): Move => ({ do: 'keys', keys: [key], shows: [asked, row.shown] });
    const own = dialog.rows[open.options.length];
    if ('text' in chosen) {
      if (open.many)
        return {
          do: 'refuse',
          why: 'it takes no text where several may be chosen: give numbers, such as 1,3',
        };
      if (own === undefined) return { do: 'refuse', why: 'it takes no text: give the number of an option' };
      if (!own.at) return press(String(own.n), own);
      return OWN.test(own.label)
        ? { do: 'paste', shows: [asked, own.shown] }
        : { do: 'keys', keys: ['Enter'], shows: [asked, own.shown] };
    }
    const wrong = dialog.rows.find(({ n, ticked }) => ticked !== chosen.numbers.includes(n));
    if (!open.many) {
      const row = dialog.rows.find(({ n }) => n === chosen.numbers[0]);
      return row === undefined ? { do: 'nothing' } : press(String(row.n), row);
    }
    const [first] = dialog.rows;
    if (wrong !== undefined) return press(String(wrong.n), wrong);
    return first === undefined ? { do: 'nothing' } : press('Tab', first);
  },
};

/** Only once each question is answered. */
function submit({ tabs, rows: [first] }: Dialog): Move {
  if (first === undefined) return { do: 'nothing' };
  if (tabs.includes('\u2610')) return { do: 'refuse', why: 'another of its questions has no answer yet' };
  return { do: 'keys', keys: [String(first.n)], shows: [first.shown] };
}

function isReview({ rows }: Dialog): boolean {
  return rows[0]?.label === 'Submit answers';
}

function openIn({ question, rows }: Dialog): OpenChoice {
  // The last one is for a text of one's own, which may stand there already.
  const options = rows.slice(0, -1).map(({ label }) => label);
  const text = question.join(' ');
  return { question: text, options, many: rows.some(({ ticked }) => ticked !== null), name: text };
}

/** The lowest dialog on the screen: between a rule and what stands below each question. */
function dialogIn(screen: string): Dialog | null {
  const lines = screen.split('\n').map((line) => line.trimEnd());
  const head = lines.findLastIndex((line) => /^(\u2190 {2})? ?[\u2610\u2612] /.test(line));
  if (head < 1 || !RULE.test(lines[head - 1] ?? '')) return null;
  const below = lines.slice(head + 1);
  const end = below.findIndex((line) => FOOT.test(line) || RULE.test(line));
  const body = end < 0 ? below : below.slice(0, end);
  const first = body.findIndex((line) => OPTION.test(line));
  if (first < 0 || (end < 0 && !body.some((line) => / 1\. Submit answers$/.test(line)))) return null;
  const rows = body.slice(first).flatMap((line): Row[] => {
    const [, at, n = '', tick, label = ''] = OPTION.exec(line) ?? [];
    const ticked = tick === undefined ? null : tick !== ' ';
    return at === undefined ? [] : [{ n: Number(n), label, ticked, at: at === '\u276f', shown: line.trim() }];
  });
  const question = body.slice(0, first).map((line) => line.trim());
  return { tabs: lines[head] ?? '', question: question.filter(Boolean), rows };
}
