import { type Choice, choicesIn } from '../../model/choice.ts';
import type { ChoiceDialog, Move, OpenChoice } from '../adapter.ts';

const HEAD = /^\u2502 Answer Questions +\u2502$/;
const ROW = /^([\u25cf ]) (\d+)\. (?:\[([ x])\])? +(\S.*)$/;
/** The end of a list of which several may be chosen. */
const DONE = /^([\u25cf ]) +Done$/;
const MANY = '(Select all that apply)';
const REVIEW = 'Review your answers:';
/** Rows of its own: behind the options where several may be chosen, and where a text of one's own is taken. */
const ALL = 'All of the above';
const OWN = 'Enter a custom value';

interface Row {
  /** null = it ends the list. */
  readonly n: number | null;
  readonly label: string;
  /** null = one alone can be chosen. */
  readonly ticked: boolean | null;
  readonly at: boolean;
  /** As it stands on the screen. */
  readonly shown: string;
}

interface Dialog {
  /** Its questions by whether each is answered: `← ✓ Question │ □ Question │ ≡ Review →`; empty = there is one alone. */
  readonly tabs: string;
  readonly question: readonly string[];
  readonly many: boolean;
  readonly rows: readonly Row[];
}

/**
 * `ask_user` of Gemini CLI: a digit chooses, or ticks where several may be chosen. Its list is a window of three rows: what it does not show is known from
 * the call itself, and the cursor goes down to it.
 */
export const geminiChoice: ChoiceDialog = {
  read(screen, told) {
    const dialog = dialogIn(screen);
    if (dialog === null || dialog.rows.length === 0) return null;
    const question = dialog.question.join(' ');
    const known = choicesIn(told ?? '').find((one) => isSame(one, question));
    const options = known?.options ?? optionsShown(dialog);
    return { question, options, many: dialog.many, name: question };
  },
  next(screen, open, chosen) {
    const dialog = dialogIn(screen);
    if (dialog === null) return { do: 'nothing' };
    if (dialog.rows.length === 0) return submit(dialog);
    if (dialog.question.join(' ') !== open.name) return { do: 'nothing' };
    const at = dialog.rows.find((row) => row.at);
    if (at === undefined) return { do: 'nothing' };
    const asked = dialog.question.at(-1) ?? '';
    const press = (key: string, row: Row = at): Move => ({
      do: 'keys',
      keys: [key],
      shows: [asked, row.shown],
    });
    if ('text' in chosen) return towardsText(open, at, press, { do: 'paste', shows: [asked, at.shown] });
    if (!open.many) return press(String(chosen.numbers[0]));
    const wrong = dialog.rows.find(
      ({ n, ticked }) => n !== null && n <= open.options.length && ticked !== chosen.numbers.includes(n),
    );
    if (wrong !== undefined) return press(String(wrong.n), wrong);
    return press(at.n === null ? 'Enter' : 'Down');
  },
};

function towardsText(open: OpenChoice, at: Row, press: (key: string) => Move, paste: Move): Move {
  if (open.many)
    return { do: 'refuse', why: 'it takes no text where several may be chosen: give numbers, such as 1,3' };
  if (at.n === null || at.n <= open.options.length) return press('Down');
  return at.label === OWN ? paste : press('Enter');
}

/** What has been answered is sent once each question is. */
function submit({ tabs, question }: Dialog): Move {
  if (question[0] !== REVIEW) return { do: 'nothing' };
  if (tabs.includes('\u25a1')) return { do: 'refuse', why: 'another of its questions has no answer yet' };
  return { do: 'keys', keys: ['Enter'], shows: [REVIEW] };
}

/** The words of the call are on one line; on the screen they are broken at any place. */
function isSame({ question }: Choice, shown: string): boolean {
  const plain = (text: string) => text.replace(/\s/g, '');
  return plain(question) === plain(shown);
}

function optionsShown({ rows }: Dialog): string[] {
  return rows.flatMap(({ n, label }) => (n === null || label === ALL || label === OWN ? [] : [label]));
}

/** The lowest dialog on the screen. */
function dialogIn(screen: string): Dialog | null {
  const lines = screen.split('\n').map((line) => line.trimEnd());
  const head = lines.findLastIndex((line) => HEAD.test(line));
  const end = lines.findIndex((line, n) => n > head && /^\u2570\u2500+\u256f$/.test(line));
  if (head < 1 || end < 0 || !/^\u256d\u2500+\u256e$/.test(lines[head - 1] ?? '')) return null;
  const body = lines
    .slice(head + 1, end)
    .map((line) => line.replace(/^\u2502 ?/, '').replace(/ *\u2502$/, ''));
  const tabs = body.find((line) => /^\u2190 .* \u2192$/.test(line)) ?? '';
  const rest = body.filter((line) => line !== tabs && line.trim() !== '');
  const first = rest.findIndex((line) => ROW.test(line) || /^ *\u25b2$/.test(line));
  const above = first < 0 ? rest : rest.slice(0, first);
  const rows = (first < 0 ? [] : rest.slice(first)).flatMap((line): Row[] => {
    const [, cursor, n, tick, label = ''] = ROW.exec(line) ?? [];
    const done = DONE.exec(line)?.[1];
    const shown = line.trim();
    if (done !== undefined) return [{ n: null, label: 'Done', ticked: null, at: done === '\u25cf', shown }];
    if (cursor === undefined) return [];
    return [
      {
        n: Number(n),
        label,
        ticked: tick === undefined ? null : tick === 'x',
        at: cursor === '\u25cf',
        shown,
      },
    ];
  });
  const question = above.map((line) => line.trim()).filter((line) => line !== MANY);
  return { tabs, question, many: above.some((line) => line.trim() === MANY), rows };
}
