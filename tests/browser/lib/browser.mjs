// Chromium, and what every visited page is held to: no accessibility finding, no breach of the
// content policy, no script error; light and dark, wide and narrow.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const shots = fileURLToPath(new URL('../../../artifacts/browser/', import.meta.url));
mkdirSync(shots, { recursive: true });

const QUICK = process.env.QUICK;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const WIDTHS = [{ name: 'wide', width: 1280, height: 900 }, { name: 'narrow', width: 390, height: 844 }];

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** One person at one computer. */
export class Person {
  #looked = new Set();

  static async at(browser, origin, options = {}) {
    const person = new Person();
    person.origin = origin;
    person.context = await browser.newContext({ baseURL: origin, viewport: WIDTHS[0], acceptDownloads: true, ...options });
    person.context.setDefaultTimeout(15_000);
    person.page = await person.context.newPage();
    person.troubles = [];
    person.page.on('pageerror', error => {
      // The browser's own word when it leaves out the animation between two pages; no script of ours asks for one.
      const animation = /^Transition was (aborted|skipped)/.test(error.message);
      if (!animation) person.troubles.push(`script: ${error.message}`);
    });
    person.page.on('console', message => {
      // Refused forms and closed doors are answers that the tests ask for.
      const expected = /Failed to load resource: the server responded with a status of 4\d\d/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !expected) person.troubles.push(`${message.type()}: ${message.text()}`);
    });
    return person;
  }

  async go(path) {
    return this.page.goto(path);
  }

  /** Holds the page to the rules in all four forms and leaves its pictures. */
  async look(name) {
    assert.ok(!this.#looked.has(name), `${name} is looked at twice`);
    this.#looked.add(name);
    const { page } = this;
    if (QUICK) return;
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      for (const size of WIDTHS) {
        await page.setViewportSize(size);
        const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
        const found = violations.map(v => `${v.id}: ${v.help}\n    ${v.nodes.map(node => node.target.join(' ')).join('\n    ')}`);
        await page.screenshot({ path: `${shots}${name}-${size.name}-${scheme}.png`, fullPage: true });
        assert.deepEqual(found, [], `${name}, ${size.name}, ${scheme}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(overflow <= 0, `${name}, ${size.name}: the page is ${overflow} px wider than the window`);
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(WIDTHS[0]);
    this.sound();
  }

  /** No breach of the content policy and no script error so far. */
  sound() {
    assert.deepEqual(this.troubles, []);
  }

  async leave() {
    this.sound();
    await this.context.close();
  }
}
