import { Page } from '@playwright/test';

import { call, runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectSettled, test } from './support/test';

/** Collects the layout shifts of a page from its start, as the browser counts them. */
async function watchShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

/** A page that keeps room for what arrives stays far below 0.1, up to which browsers call a page steady. */
const STEADY = 0.02;

/** Answers come after the page was drawn without them, as they do on a slow line. */
async function slowly(page: Page, path: string): Promise<void> {
  await page.route(
    (url) => url.pathname === path,
    async (route) => {
      await page.waitForFunction(() => document.querySelector('h1') !== null);
      await page.evaluate(
        () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
      );
      await route.continue();
    },
  );
}

async function shiftOf(page: Page): Promise<number> {
  await expectSettled(page);
  // A shift is reported after the frame that it is in.
  await page.evaluate(
    () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
  );
  return page.evaluate(() =>
    (window as unknown as { shifts: number[] }).shifts.reduce((sum, one) => sum + one, 0),
  );
}

test.beforeAll(async () => {
  const folder = put('steady/a.csv', 'id\n1\n2\n3\n');
  const yaml = `name: steady\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: steady\n`;
  const run = await runOnce(yaml);
  expect(run.error).toBeNull();
  await call('POST', '/schedules', { config_id: run.config_id, cron: '0 3 * * *' });
});

test('the overview does not move while its numbers arrive', async ({ admin: page }) => {
  await watchShifts(page);
  await slowly(page, '/overview');
  await page.goto('/ui/admin');
  await expect(page.getByRole('region', { name: 'Numbers' })).toBeVisible();
  await expect(
    page.getByRole('region', { name: 'Latest runs' }).getByRole('link', { name: 'steady' }).first(),
  ).toBeVisible();
  await expect(page.locator('app-chart svg')).toBeVisible();
  expect(await shiftOf(page)).toBeLessThan(STEADY);
});

test('the schedules do not move while they arrive', async ({ admin: page }) => {
  await watchShifts(page);
  await slowly(page, '/schedules');
  await page.goto('/ui/schedules');
  await expect(page.getByRole('region', { name: 'Time axis' })).toBeVisible();
  await expect(page.getByRole('table').getByText('steady').first()).toBeVisible();
  expect(await shiftOf(page)).toBeLessThan(STEADY);
});
