import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { begun, holdFacts } from '../../src/model/hold.ts';
import { pageOf } from '../../src/page/index.ts';
import { busyPage, dataOf, fillHostile, HOSTILE, someFacts } from '../support/page.ts';

const SWITCH = {
  ...({ level: 'dispatch', scope: 'project:shop', reason: 'release day', author: 'ann' } as const),
  ...{ at_ms: null, expires_at_ms: null },
};

/** Names of every element, and of every attribute. */
function parts(page: string): { readonly tags: Set<string>; readonly attributes: Set<string> } {
  const tags = new Set<string>();
  const attributes = new Set<string>();
  for (const [, tag = '', rest = ''] of page.matchAll(/<([a-zA-Z!][\w-]*)((?:\s[^<>]*)?)>/g)) {
    tags.add(tag.toLowerCase());
    for (const [, name = ''] of rest.matchAll(/\s([\w:-]+)(?==|\s|$)/g)) attributes.add(name.toLowerCase());
  }
  return { tags, attributes };
}

describe('an empty board', () => {
  const empty = async () => pageOf(await dataOf(async () => {}, { every_minutes: null }));

  it('says in each part that there is nothing yet, and what to do first', async () => {
    const page = await empty();
    for (const words of [
      ...['No ticks yet', 'No tickets yet', 'Nothing waits.', 'Nobody works.', 'No runs in the last day'],
      ...['Nothing came to review', 'No client has recorded any use', 'No client has told what it cost'],
      ...[
        'No ticket was given back',
        'Nothing had to be healed',
        'No ticks in the last day',
        'mc-pickup dispatch',
      ],
    ])
      expect(page).toContain(words);
    expect(page).not.toContain('role="img"');
    expect(/.{0,60}(undefined|NaN|\[object).{0,60}/.exec(page)?.[0]).toBeUndefined();
  });
});

describe('a board in use', () => {
  let page: string;
  beforeAll(async () => {
    page = await busyPage();
  });

  it('has every part, and no chart without its table', () => {
    for (const id of ['board', 'timeline', 'throughput', 'tokens', 'usd', 'failures', 'heals', 'ticks']) {
      expect(page).toContain(`<a href="#${id}">`);
      const section = page.split(`id="${id}"`)[1]?.split('</section>\n')[0] ?? '';
      if (id !== 'board') expect(section).toMatch(/role="img" aria-label="[^"]+".*<summary>Table: /s);
    }
    expect(page).toMatch(/Without a tick: .*\(1 h 2\d min\)/s);
    expect(page).toContain('<strong>Ticks come:</strong>');
    expect(/.{0,60}(undefined|NaN|\[object).{0,60}/.exec(page)?.[0]).toBeUndefined();
    expect(page.length).toBeLessThan(400_000);
  });

  it('is the same for the same data', async () => {
    expect(await busyPage()).toBe(page);
  });

  it('has nothing but the elements and attributes that it is meant to have', () => {
    const { tags, attributes } = parts(page.replace(/<style>.*?<\/style>/s, ''));
    const html =
      'a b bdi body br caption code dd details div dl dt figcaption figure footer h1 h2 h3 head header html li main meta nav p section span strong summary table tbody td th thead time title tr ul';
    const svg = 'circle clippath defs g line path polygon rect svg text';
    expect([...tags].filter((tag) => !`${html} ${svg} !doctype`.split(' ').includes(tag))).toEqual([]);
    expect(
      [...attributes].filter((name) => /^(on|src|style$|xlink|action|formaction|srcdoc)/.test(name)),
    ).toEqual([]);
  });

  it('allows itself no script, no picture, no connection, and of styles its own alone', () => {
    const [, csp = ''] = /Content-Security-Policy" content="([^"]+)"/.exec(page) ?? [];
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page) ?? [];
    const hash = createHash('sha256').update(style).digest('base64');
    expect(csp).toBe(`default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`);
    expect(style).not.toMatch(/url\(|@import|</);
  });
});

describe('text of others', () => {
  it('is text wherever it stands: in cards, tables, charts, attributes and the title', async () => {
    const host = { id: 'h-1', name: HOSTILE[1] };
    const reason = HOSTILE[0];
    const over = {
      host,
      board: HOSTILE[3],
      broken: [HOSTILE[4]],
      switches: [{ ...SWITCH, reason, author: HOSTILE[1] }],
    };
    const page = pageOf(await dataOf(fillHostile, over));
    for (const text of HOSTILE.filter((one) => /[<>"']/.test(one))) expect(page).not.toContain(text);
    expect(page).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    const { tags } = parts(page.replace(/<style>.*?<\/style>/s, ''));
    expect(tags.has('script') || tags.has('img') || tags.has('style')).toBe(false);
    // It was there all the same: in the charts as well, of which one labels its bars with reasons.
    expect(page).toContain('&#60;script&#62;');
    expect(page.match(/<text[^>]*>[^<]*(&quot;|&#34;|&lt;|javascript:)/g)?.length ?? 0).toBeGreaterThan(3);
  });
});

describe('what a person must know', () => {
  it('stopped ticks, a killswitch and a broken configuration stand at the top in words', async () => {
    const page = pageOf(
      await dataOf(fillHostile, {
        switches: [SWITCH],
        holds: [
          holdFacts(
            begun({ scope: 'project:shop', because: 'checkout_fails', says: HOSTILE[0] ?? '' }, '', 0),
          ),
        ],
        broken: ['config.toml:3: limits.max_agnets: unknown key'],
      }),
    );
    expect(page).toContain('<strong>Ticks have stopped:</strong>');
    expect(page).toMatch(/Held: project shop<\/strong> since .{1,600}To do: .{1,60}mend what git/s);
    expect(page).toMatch(
      /Killswitch ON:<\/strong> no launches for <bdi>project:shop<\/bdi>, by <bdi>ann<\/bdi>/,
    );
    expect(page).toContain('Configuration broken:');
    expect(page).toContain('config.toml:3: limits.max_agnets: unknown key');
  });

  it('a full column says how many more there are, and every time names its moment in UTC', async () => {
    const data = await dataOf(async (board, { now_ms }) => {
      for (let n = 0; n < 9; n++)
        await board.addTicket(
          {
            ...{
              title: `t${n}`,
              body: '',
              status: 'todo',
              priority: n === 8 ? 0 : 2,
              project: 'p',
              labels: [],
            },
            ...{ agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] },
          },
          { now_ms: now_ms - 9000 + n },
        );
    });
    const page = pageOf(data);
    expect(page).toContain('and 4 more');
    expect(data.open.todo[0]?.title).toBe('t8');
    const { now_ms } = someFacts();
    expect(page).toContain(
      `<time datetime="${new Date(now_ms).toISOString()}">26 Nov 2026, 16:42 CET</time>`,
    );
  });
});
