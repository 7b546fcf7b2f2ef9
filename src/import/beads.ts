import { objects, word } from './jsonl.ts';
import type { Bad, Found, Raw, Skipped } from './row.ts';

type Json = Readonly<Record<string, unknown>>;

/** What `bd export` writes that is work for somebody; the others are its own messages, memories, agents and gates. */
const WORK: readonly string[] = ['task', 'bug', 'feature', 'epic', 'chore'];
const GONE: readonly string[] = ['closed', 'tombstone'];
const KNOWN: readonly string[] = ['open', 'in_progress', 'hooked', 'blocked', 'deferred', 'pinned', ...GONE];
/** Kinds of dependency that hold work up; the others only tell where it came from. */
const HOLDS: readonly string[] = ['blocks', 'conditional-blocks', 'waits-for'];

/** The export of a beads database: one issue a line. What is closed is passed over; an epic comes `blocked`, since it is a
 *  container of the work that is in its own issues. */
export function readBeads(text: string, file: string): Found {
  const all = objects(text, file);
  const known = new Set(all.map(({ value }) => ('object' in value ? word(value.object.id) : null)));
  const warnings: string[] = [];
  const raws = all.map(({ where, value }): Raw | Bad | Skipped => {
    if ('why' in value) return { where, why: value.why };
    return issueOf(where, value.object, known, warnings);
  });
  return { raws, warnings };
}

function issueOf(
  where: string,
  issue: Json,
  known: ReadonlySet<string | null>,
  warnings: string[],
): Raw | Bad | Skipped {
  const id = word(issue.id);
  const title = word(issue.title) ?? '';
  const kind = word(issue._type);
  const type = word(issue.issue_type) ?? 'task';
  const skipped = { where, id, number: 0, title: title || (word(issue.key) ?? '') };
  if (kind !== null && kind !== 'issue') return { ...skipped, because: 'no_task' };
  if (id === null) return { where, why: 'has no id' };
  const status = word(issue.status) ?? 'open';
  if (GONE.includes(status)) return { ...skipped, because: 'done' };
  if (!WORK.includes(type) || issue.is_template === true || issue.ephemeral === true || status === 'pinned')
    return { ...skipped, because: 'no_task' };
  if (!KNOWN.includes(status))
    warnings.push(
      `${where}: ${id} has the status ${JSON.stringify(status)}, which is not of beads itself: blocked`,
    );
  const held = type === 'epic' || status === 'blocked' || status === 'deferred' || !KNOWN.includes(status);
  return {
    ...{ where, id, source: `beads:${id}`, own: false },
    fields: {
      ...{ title: issue.title, priority: issue.priority, owner: issue.assignee, author: issue.created_by },
      body: bodyOf(issue),
      status: held ? 'blocked' : 'todo',
      labels: [...list(issue.labels), ...(type === 'task' ? [] : [type])],
      depends_on: dependenciesOf(issue, known),
      created_at: issue.created_at,
      updated_at: issue.updated_at,
      comments: list(issue.comments).map((one) => {
        const { author, text, created_at } = one as Json;
        return { author, text, at: created_at };
      }),
    },
  };
}

function bodyOf(issue: Json): unknown {
  const part = (heading: string, value: unknown): string[] =>
    typeof value === 'string' && value !== '' ? [`## ${heading}\n\n${value}`] : [];
  const more = [
    ...part('Design', issue.design),
    ...part('Acceptance criteria', issue.acceptance_criteria),
    ...part('Notes', issue.notes),
  ];
  if (more.length === 0) return issue.description;
  return [...(word(issue.description) === null ? [] : [issue.description]), ...more].join('\n\n');
}

/** An issue outside of the file holds nothing up if it only stands for another repository's. */
function dependenciesOf(issue: Json, known: ReadonlySet<string | null>): string[] {
  return list(issue.dependencies).flatMap((one) => {
    const { depends_on_id, type } = one as Json;
    const on = word(depends_on_id);
    if (on === null || !HOLDS.includes(word(type) ?? 'blocks')) return [];
    return known.has(on) || !on.startsWith('external:') ? [on] : [];
  });
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.filter((one) => one !== null) : [];
}
