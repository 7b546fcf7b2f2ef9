import type { ChoiceDialog, Move } from '../adapter.ts';

const HEAD = /^ {2}(Question \d+\/\d+) \(\d+ unanswered\)$/;
const OPTION = /^ {2}([\u203a ]) (\d+)\. (.+?)(?: {2,}.*)?$/;
/** It adds this one to every question, with a place for a text. */
const NONE = 'None of the above';
const NOTES = /^ {2}\u203a (.*)$/;
const NO_NOTES = 'Add notes';

interface Row {
  readonly n: number;
  readonly label: string;
  readonly at: boolean;
  readonly shown: string;
}

interface Dialog {
  readonly head: string;
  readonly question: readonly string[];
  readonly rows: readonly Row[];
  /** What stands in its place for a text; null = that is closed. */
  readonly notes: string | null;
}

/** `request_user_input` of Codex: a digit chooses and goes on. A text of one's own is a note to `None of the above`. */
export const codexChoice: ChoiceDialog = {
  read(screen) {
    const dialog = dialogIn(screen);
    if (dialog === null) return null;
    const { head, question, rows } = dialog;
    const options = rows.map(({ label }) => label).filter((label) => label !== NONE);
    const text = question.join(' ');
    return { question: text, options, many: false, name: `${head}: ${text}` };
  },
  next(screen, { name }, chosen) {
    const dialog = dialogIn(screen);
    const open = codexChoice.read(screen);
    if (dialog === null || open?.name !== name) return { do: 'nothing' };
    const { head, question, rows, notes } = dialog;
    const asked = [head, question.at(-1) ?? ''];
    const press = (key: string, row: Row): Move => ({
      do: 'keys',
      keys: [key],
      shows: [...asked, row.shown],
    });
    if ('text' in chosen) {
      const none = rows.find(({ label }) => label === NONE);
      if (none === undefined) return { do: 'refuse', why: 'it takes no text: give the number of an option' };
      if (!none.at) return press('Down', none);
      if (notes === null) return press('Tab', none);
      if (notes === NO_NOTES) return { do: 'paste', shows: [...asked, none.shown, NO_NOTES] };
      return press('Enter', none);
    }
    const row = rows.find(({ n }) => n === chosen.numbers[0]);
    if (row === undefined) return { do: 'nothing' };
    // In its place for a text a digit is a text.
    return notes === null ? press(String(row.n), row) : { do: 'refuse', why: 'somebody writes a note there' };
  },
};

function dialogIn(screen: string): Dialog | null {
  const lines = screen.split('\n').map((line) => line.trimEnd());
  const at = lines.findLastIndex((line) => HEAD.test(line));
  const body = at < 0 ? [] : lines.slice(at + 1);
  const first = body.findIndex((line) => OPTION.test(line));
  if (first < 0 || !body.some((line) => /\| enter to submit (answer|all)/.test(line))) return null;
  const rows = body.slice(first).flatMap((line): Row[] => {
    const [, cursor, n = '', label = ''] = OPTION.exec(line) ?? [];
    return cursor === undefined ? [] : [{ n: Number(n), label, at: cursor === '\u203a', shown: line.trim() }];
  });
  const note = body.slice(first).find((line) => NOTES.test(line) && !OPTION.test(line));
  const question = body.slice(0, first).map((line) => line.trim());
  return {
    head: HEAD.exec(lines[at] ?? '')?.[1] ?? '',
    question: question.filter(Boolean),
    rows,
    notes: note === undefined ? null : (NOTES.exec(note)?.[1] ?? ''),
  };
}
