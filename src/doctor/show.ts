import { oneLine } from '../model/text.ts';
import { paint, type Tone } from '../report/table.ts';
import { TOPICS, type TopicFinding } from './finding.ts';

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;
const TONES: Readonly<Record<TopicFinding['result'], Tone>> = { ok: 'good', warn: 'ask', fail: 'bad' };
const NAME = 16;
const INDENT = MARKS.ok.length + 1;
const MAX = 500;

/** The findings for people, a heading for each topic. The words carry it all, colour only helps. `width`: of the terminal;
 *  null = a pipe, where each finding stays on one line, so that it can be searched. */
export function show(
  findings: readonly TopicFinding[],
  { color, width }: { readonly color: boolean; readonly width: number | null },
): string[] {
  const lines: string[] = [];
  const one = ({ result, check, says, fix, only_as_cron }: TopicFinding): void => {
    const name = oneLine(check, 60).padEnd(NAME);
    const text = oneLine(only_as_cron === true ? `only under cron: ${says}` : says, MAX);
    const [first = '', ...rest] = wrap(text, width, INDENT + name.length + 1);
    lines.push(`${paint(MARKS[result], TONES[result], color)} ${name} ${first}`);
    const under = ' '.repeat(INDENT + NAME + 1);
    for (const more of rest) lines.push(`${under}${more}`);
    if (fix === null) return;
    const [then = '', ...others] = wrap(oneLine(fix, MAX), width, INDENT + 3);
    lines.push(`${' '.repeat(INDENT)}${paint('->', 'head', color)} ${then}`);
    for (const more of others) lines.push(`${' '.repeat(INDENT + 3)}${more}`);
  };
  const groups = TOPICS.map((topic) => ({
    topic,
    of: findings.filter((finding) => finding.topic === topic),
  }));
  for (const { topic, of } of groups.filter((group) => group.of.length > 0)) {
    if (lines.length > 0) lines.push('');
    lines.push(paint(topic, 'head', color));
    for (const finding of of) one(finding);
  }
  return [...lines, '', paint(summary(findings), 'head', color)];
}

/** `1 to mend, 2 warnings, 14 fine`, and how many of those are so under cron alone. */
export function summary(findings: readonly TopicFinding[]): string {
  const count = (result: TopicFinding['result']) => findings.filter((one) => one.result === result).length;
  const warnings = count('warn');
  const cron = findings.filter((one) => one.only_as_cron === true).length;
  const alone = cron === 0 ? '' : `; ${cron} only under cron`;
  return `${count('fail')} to mend, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${count('ok')} fine${alone}`;
}

/** Breaks a text between words. A word that is too long for a line, such as a path, is left whole. */
function wrap(text: string, width: number | null, indent: number): string[] {
  const room = width === null ? Number.POSITIVE_INFINITY : Math.max(20, width - indent);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
