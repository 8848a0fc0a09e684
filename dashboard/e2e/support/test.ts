import { AxeBuilder } from '@axe-core/playwright';
import { Page, expect, test as base } from '@playwright/test';

import { logIn, logOut } from './api';
import { ADMIN, USER } from './server';

export { expect };

interface Stories {
  /** A browser in which an admin is logged in. */
  admin: Page;
  /** A browser in which an analyst is logged in. */
  analyst: Page;
  /** What a story expects the console to complain about: a refused request is an error to the browser. */
  expected: RegExp | undefined;
}

/** Every story fails on console errors, uncaught errors, and breaches of the Content-Security-Policy. */
export const test = base.extend<Stories>({
  expected: [undefined, { option: true }],
  page: async ({ page, expected }, use) => {
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() !== 'error' && !/content security policy/i.test(message.text())) return;
      complaints.push(`${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP: ${event.violatedDirective} blocked ${event.blockedURI}`);
      });
    });
    await use(page);
    const unexpected = complaints.filter((complaint) => !expected?.test(complaint));
    expect(unexpected, 'the console stays silent').toEqual([]);
  },
  admin: async ({ page }, use) => {
    const token = await enter(page, ADMIN);
    await use(page);
    await logOut(token);
  },
  analyst: async ({ page }, use) => {
    const token = await enter(page, USER);
    await use(page);
    await logOut(token);
  },
});

/** Opens a browser's session, and returns its token. A story ends its session: the server keeps 100 of a user. */
async function enter(page: Page, who: { name: string; password: string }): Promise<string> {
  const { token, role } = await logIn(who.name, who.password);
  await page.addInitScript(
    ([kept, as]) => {
      if (sessionStorage.getItem('entered') !== null) return;
      sessionStorage.setItem('entered', 'yes');
      localStorage.setItem('token', kept);
      localStorage.setItem('role', as);
    },
    [token, role] as const,
  );
  return token;
}

/** No dialog is still opening or closing, and nothing fades or moves, apart from what moves without end. */
export async function expectSettled(page: Page): Promise<void> {
  const moving = page.locator('mat-dialog-container:not(.mdc-dialog--open), .mdc-dialog--opening');
  await expect(moving).toHaveCount(0);
  await page.waitForFunction(() =>
    document
      .getAnimations()
      .every((one) => one.playState !== 'running' || one.effect?.getComputedTiming().iterations === Infinity),
  );
}

/** Nothing that keeps someone out: no violation of WCAG 2.2 A and AA that axe can find. */
export async function expectAccessible(page: Page, name: string): Promise<void> {
  // What is still fading in has the contrast of a shadow.
  await expectSettled(page);
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  const found = violations.map(
    (one) => `${one.id}: ${one.help}\n  ${one.nodes.map((node) => node.html).join('\n  ')}`,
  );
  expect(found, `axe on ${name}`).toEqual([]);
}
