/** The page in a real browser: Debian's Chromium, by file://, with scripts allowed, so that only the page itself keeps them out. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageOf } from '../../src/page/index.ts';
import { busyPage, dataOf, fillHostile, HOSTILE } from '../support/page.ts';

const PROGRAM = ['chromium', 'chromium-browser'].find((name) => spawnSync(name, ['--version']).status === 0);
/** Where the pictures go that people look at; nowhere unless it is named. */
const PICTURES = process.env.MC_PAGE_PICTURES;

let dir = '';
let browser: Browser;
const url = (name: string) => pathToFileURL(join(dir, `${name}.html`)).href;

if (PROGRAM === undefined && process.env.CI !== undefined)
  it('chromium is installed', () => expect.fail('chromium is missing: apt-get install chromium'));

const NAME = PROGRAM === undefined ? 'in Chromium (skipped: chromium is not installed)' : 'in Chromium';
describe.skipIf(PROGRAM === undefined)(NAME, () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mc-page-'));
    const host = { id: 'h-1', name: HOSTILE[1] };
    writeFileSync(join(dir, 'busy.html'), await busyPage());
    writeFileSync(join(dir, 'empty.html'), pageOf(await dataOf(async () => {})));
    const hostile = await dataOf(fillHostile, { host, board: HOSTILE[3], broken: [HOSTILE[0]] });
    writeFileSync(join(dir, 'hostile.html'), pageOf(hostile));
    // As the root of a container Chromium has no sandbox to go into.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({ executablePath: which(PROGRAM ?? ''), args });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  interface Seen {
    readonly page: Page;
    /** Everything that it asked for but itself, and everything that it complained of. */
    readonly strange: string[];
  }

  async function open(
    name: string,
    options: { readonly width?: number; readonly scheme?: 'light' | 'dark' } = {},
  ): Promise<Seen> {
    const { width = 1280, scheme = 'light' } = options;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
    const strange: string[] = [];
    page.on('console', (message) => strange.push(message.text()));
    page.on('pageerror', (error) => strange.push(String(error)));
    page.on('dialog', (dialog) => {
      strange.push(dialog.message());
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (request.url() !== url(name)) strange.push(request.url());
    });
    await page.goto(url(name));
    return { page, strange };
  }

  it.each(['busy', 'empty', 'hostile'])(
    '%s: it asks for nothing, complains of nothing, and runs nothing',
    async (name) => {
      const { page, strange } = await open(name);
      await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
      expect(strange).toEqual([]);
      expect(
        await page.evaluate('[typeof window.hit, document.scripts.length, document.images.length]'),
      ).toEqual([...['undefined', 0, 0]]);
      const handlers = `[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes]).filter((a) => /^on|^style$|javascript:/i.test(a.name + '|' + (a.name === 'href' ? a.value : '')))`;
      expect(await page.evaluate(`${handlers}.length`)).toBe(0);
      await page.close();
    },
  );

  it('hostile text is shown as it was written, and changes nothing around it', async () => {
    const { page } = await open('hostile');
    const cards = await page.locator('.column .title').allInnerTexts();
    expect(cards).toContain('</style><style>*{display:none}</style>');
    expect(cards).toContain('"><img src=x onerror="window.hit=2">');
    expect(await page.locator('svg text', { hasText: '<script>' }).first().textContent()).toContain(
      ']]><script>',
    );
    expect(await page.locator('#failures svg text', { hasText: 'img src' }).first().textContent()).toContain(
      '<img',
    );
    expect(await page.locator('footer').isVisible()).toBe(true);
    await page.close();
  });

  it('the page itself keeps a script out, even one that got into it', async () => {
    const text = (await busyPage()).replace(
      '</main>',
      '</main><script>window.hit = 9</script><p style="color:red" id="x">x</p><img src="data:," onerror="window.hit=9">',
    );
    writeFileSync(join(dir, 'broken.html'), text);
    const { page, strange } = await open('broken');
    expect(await page.evaluate('typeof window.hit')).toBe('undefined');
    expect(await page.evaluate(`getComputedStyle(document.getElementById('x')).color`)).not.toBe(
      'rgb(255, 0, 0)',
    );
    expect(strange.filter((line) => /Content Security Policy/.test(line)).length).toBeGreaterThanOrEqual(3);
    await page.close();
  });

  it.each([
    ['busy', 360],
    ['busy', 768],
    ['busy', 1280],
    ['busy', 1600],
    ['empty', 360],
    ['hostile', 360],
  ] as const)('%s is no wider than a window of %i', async (name, width) => {
    const { page } = await open(name, { width });
    await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    // The one drawing that fits is shown, at its own size or a little off it.
    const scale = `[...document.querySelectorAll('.chart svg')].filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect().width / e.viewBox.baseVal.width)`;
    const scales = (await page.evaluate(scale)) as number[];
    if (name === 'busy') expect(scales).toHaveLength(7);
    for (const one of scales) expect(one).toBeGreaterThan(0.55);
    for (const one of scales) expect(one).toBeLessThan(1.7);
    await page.close();
  });

  it('the keyboard reaches all that can be reached, in order, and one sees where it is', async () => {
    const { page } = await open('busy');
    const all = (await page.evaluate(
      `[...document.querySelectorAll('a[href], summary, [tabindex="0"]')].filter((e) => e.checkVisibility()).length`,
    )) as number;
    const seen: string[] = [];
    for (let n = 0; n < all; n++) {
      await page.keyboard.press('Tab');
      const [name, outline] = (await page.evaluate(
        `(({ outlineStyle, outlineWidth }, e) => [e.textContent.trim() + (e.getAttribute('aria-label') ?? ''), outlineStyle + ' ' + outlineWidth])(getComputedStyle(document.activeElement), document.activeElement)`,
      )) as [string, string];
      expect(outline, name).toBe('solid 3px');
      seen.push(name);
    }
    expect(seen[0]).toBe('Skip to the board');
    expect(seen.filter((name) => name.startsWith('Table: '))).toHaveLength(7);
    expect(new Set(seen).size).toBe(all);
    // A table opens by the keyboard, and can then be scrolled by it.
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(`document.activeElement.getAttribute('role')`)).toBe('region');
    // The way past the head of the page.
    await page.goto(url('busy'));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    await page.close();
  });

  it('a screen reader is told of landmarks, headings in order, charts by their names, and tables with heads', async () => {
    const { page } = await open('busy');
    await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
    const tree = await page.locator('body').ariaSnapshot();
    for (const line of [
      /^- link "Skip to the board"/m,
      /- banner:/,
      /- navigation "On this page"/,
      /- main:/,
      /- contentinfo:/,
      /- heading "mc-pickup workshop" \[level=1\]/,
      /- heading "Board" \[level=2\]/,
      /- heading "Needs input \d+" \[level=3\]/,
      /- region "Runs by worker slot":/,
      /- img "Runs of the last day in 4 worker slots\. The table below has each run\."/,
      /- table "runs of the last day, the newest first":/,
      /- columnheader "How it came out"/,
      /- rowheader "MC-\d+"/,
      /- time: /,
    ])
      expect(tree).toMatch(line);
    expect(tree).not.toMatch(/- (img|region|table|link|heading)(:|$| \[)/m); // each has a name
    const levels = [...tree.matchAll(/\[level=(\d)\]/g)].map(([, level]) => Number(level));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    for (const [n, level] of levels.entries()) expect(level - (levels[n - 1] ?? 0)).toBeLessThanOrEqual(1);
    expect(await page.evaluate(`[document.documentElement.lang, document.title]`)).toEqual([
      ...['en', 'mc-pickup on workshop, 26 Nov 2026, 16:42 CET'],
    ]);
    const ids = `[...document.querySelectorAll('[id]')].map((e) => e.id)`;
    expect(await page.evaluate(`${ids}.length - new Set(${ids}).size`)).toBe(0);
    expect(await page.evaluate(`[...document.querySelectorAll('th')].every((e) => e.scope !== '')`)).toBe(
      true,
    );
    await page.close();
  });

  it.each(['light', 'dark'] as const)(
    '%s: words and marks stand out enough from what is behind them',
    async (scheme) => {
      const { page } = await open('busy', { scheme });
      const names = [
        'bg',
        'card',
        'badbg',
        'ink',
        'muted',
        'lives',
        'finished',
        'failed',
        'stopped',
        'on-mark',
        's1',
        's2',
        's3',
        's4',
        'good',
        'bad',
        'focus',
      ];
      const colors = (await page.evaluate(
        `Object.fromEntries(${JSON.stringify(names)}.map((n) => [n, getComputedStyle(document.documentElement).getPropertyValue('--' + n)]))`,
      )) as Record<string, string>;
      const contrast = (a: string, b: string): number => {
        const [low = 0, high = 0] = [luminance(colors[a] ?? ''), luminance(colors[b] ?? '')].sort(
          (x, y) => x - y,
        );
        return (high + 0.05) / (low + 0.05);
      };
      for (const word of ['ink', 'muted', 'bad', 'good'])
        for (const ground of ['bg', 'card'])
          expect(contrast(word, ground), `${word} on ${ground}`).toBeGreaterThan(4.5);
      expect(contrast('bad', 'badbg')).toBeGreaterThan(4.5);
      for (const mark of ['lives', 'finished', 'failed', 'stopped', 's1', 's2', 's3', 's4', 'focus'])
        expect(contrast(mark, 'card'), mark).toBeGreaterThan(3);
      for (const mark of ['lives', 'finished']) expect(contrast('on-mark', mark), mark).toBeGreaterThan(4.5);
      const body = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(body).toBe(scheme === 'light' ? 'rgb(246, 246, 244)' : 'rgb(20, 20, 19)');
      const shot = await page.screenshot(
        PICTURES === undefined ? {} : { path: join(PICTURES, `page-${scheme}.png`) },
      );
      expect(shot.length).toBeLessThan(250 * 1024);
      await page.close();
    },
  );

  it('on paper it is dark on white, whole, and without what only a screen can do', async () => {
    const { page } = await open('busy', { scheme: 'dark' });
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    expect(await page.locator('nav').isVisible()).toBe(false);
    expect(await page.locator('#timeline .chart').first().isVisible()).toBe(true);
    expect((await page.pdf({ format: 'A4' })).subarray(0, 5).toString()).toBe('%PDF-');
    await page.close();
  });
});

function which(name: string): string {
  return spawnSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
}

/** Of a colour such as `#1c64b0`, as WCAG has it. */
function luminance(color: string): number {
  const hex = color.trim().slice(1);
  const full = hex.length === 3 ? [...hex].map((c) => c + c).join('') : hex;
  const [r = 0, g = 0, b = 0] = [0, 2, 4]
    .map((at) => Number.parseInt(full.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
