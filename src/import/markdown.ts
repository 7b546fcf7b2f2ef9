import type { ListItem, Nodes, Paragraph, Parents } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmTaskListItemFromMarkdown } from 'mdast-util-gfm-task-list-item';
import { toString as textOf } from 'mdast-util-to-string';
import { gfmTaskListItem } from 'micromark-extension-gfm-task-list-item';
import type { Found, Raw, Skipped } from './row.ts';

/** An id that somebody gave: `<!-- id: X -->`, or `^X` at the end, as note programs write it. */
const COMMENT_ID = /\s*<!--\s*id:\s*(.*?)\s*-->/;
const ANCHOR_ID = /\s\^([\w.-]+)\s*$/;

/**
 * Task lists. A task is a list item with a box that stands in no other task: what is indented below it, boxes too, is its
 * body. A nested list says neither that its parts can be done apart nor in which order, and one agent that sees all of
 * them does not work against another.
 */
export function readMarkdown(text: string, file: string): Found {
  const tree = fromMarkdown(text, {
    extensions: [gfmTaskListItem()],
    mdastExtensions: [gfmTaskListItemFromMarkdown()],
  });
  const raws: (Raw | Skipped)[] = [];
  const walk = (node: Nodes): void => {
    if (node.type === 'listItem' && typeof node.checked === 'boolean') raws.push(taskOf(node, text, file));
    else if ('children' in node) for (const child of (node as Parents).children) walk(child);
  };
  walk(tree);
  return { raws, warnings: [] };
}

function taskOf(item: ListItem, text: string, file: string): Raw | Skipped {
  const where = `${file}:${item.position?.start.line ?? 0}`;
  const [first, ...rest] = item.children;
  const [line = '', ...more] = first?.type === 'paragraph' ? sliceOf(first, text).split('\n') : [];
  const id = COMMENT_ID.exec(line)?.[1] ?? ANCHOR_ID.exec(line)?.[1] ?? null;
  const bare = line.replace(COMMENT_ID, '').replace(ANCHOR_ID, '').trim();
  const title = textOf(fromMarkdown(bare)) || bare;
  if (item.checked === true) return { where, id, number: 0, title, because: 'done' };
  const below =
    rest.length === 0 ? '' : textBelow(first?.position?.end.offset, item.position?.end.offset, text);
  const body = [
    // What is lost from a link in the title is its address.
    /\]\(|\]\[|<\w+:/.test(bare) ? bare : '',
    more.map((one) => one.trim()).join('\n'),
    below,
  ];
  return {
    ...{ where, id: id || null, source: null, own: false },
    fields: { title, body: body.filter((part) => part !== '').join('\n\n') },
  };
}

function sliceOf({ position }: Paragraph, text: string): string {
  return text.slice(position?.start.offset ?? 0, position?.end.offset ?? 0);
}

/** As it stands there, without the indentation that all of it has. */
function textBelow(from: number | undefined, to: number | undefined, text: string): string {
  const lines = text
    .slice(from ?? 0, to ?? 0)
    .replaceAll(/\r\n?/g, '\n')
    .replace(/^[^\n]*\n/, '')
    .split('\n');
  const filled = lines.filter((line) => line.trim() !== '');
  const indent = Math.min(...filled.map((line) => /^\s*/.exec(line)?.[0].length ?? 0));
  return lines
    .map((line) => line.slice(Number.isFinite(indent) ? indent : 0).trimEnd())
    .join('\n')
    .replace(/^\n+|\n+$/g, '');
}
