import { Page } from '@playwright/test';

import { runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

let config: number;
let earlier: number;
let run: string;

test.beforeAll(async () => {
  const folder = put('seen/a.csv', 'id,name\n1,Ann\n2,Bob\n');
  const yaml = (note: string) =>
    `# ${note}\nname: seen\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: seen\nchecks:\n  - unique: [id]\n`;
  earlier = (await runOnce(yaml('first'))).config_id;
  const second = await runOnce(yaml('second'));
  config = second.config_id;
  run = second.id;
});

const ADMIN_PAGES: [string, () => string][] = [
  ['Overview', () => 'admin'],
  ['New job', () => 'new-job'],
  ['New pipeline', () => 'new-pipeline'],
  ['Pipelines', () => 'pipelines'],
  ...['status', 'runs', 'checks', 'versions', 'schedule', 'columns', 'lineage', 'notifications'].map(
    (tab): [string, () => string] => [`a pipeline: ${tab}`, () => `pipelines/seen?tab=${tab}`],
  ),
  ['Runs', () => 'runs'],
  ['Follow runs', () => `runs/follow?ids=${run}`],
  ['Follow runs, nothing running', () => 'runs/follow'],
  ['two runs', () => `runs/compare?a=${run}&b=${run}`],
  ['a run', () => `runs/${run}`],
  ['columns of a run', () => `runs/${run}?tab=columns`],
  ['attempts of a run', () => `runs/${run}?tab=attempts`],
  ['log of a run', () => `runs/${run}?tab=logs`],
  ['Schedules', () => 'schedules?show=all'],
  ['Backfills', () => 'backfills'],
  ['Configs', () => 'config-history'],
  ['a config', () => `config-history/${config}`],
  ['two configs', () => `config-history/compare?from=${earlier}&to=${config}`],
  ['Data', () => `data-view?config=${config}`],
  ['Data, nothing chosen', () => 'data-view'],
  ['Quarantine', () => 'quarantine'],
  ['Logs', () => 'logs'],
  ['Workers', () => 'workers'],
  ['Retention', () => 'retention'],
  ['Users', () => 'users'],
  ['API tokens', () => 'api-tokens'],
  ['Secrets', () => 'secrets'],
  ['Notifications', () => 'notifications'],
  ['Audit', () => 'audit'],
  ['Coverage', () => 'coverage'],
  ['Not found', () => 'nowhere'],
];
const USER_PAGES = ['user', 'data-view', 'upload-config', 'coverage', 'logs'];

async function open(page: Page, path: string): Promise<void> {
  await page.goto(`/ui/${path}`);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByText('Loading…')).toHaveCount(0);
}

async function expectNoSideways(page: Page, name: string): Promise<void> {
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(over, `${name} is as wide as the window`).toBeLessThanOrEqual(0);
}

for (const look of ['light', 'dark', 'phone'] as const) {
  test.describe(look, () => {
    test.use({
      colorScheme: look === 'dark' ? 'dark' : 'light',
      viewport: look === 'phone' ? { width: 360, height: 740 } : { width: 1360, height: 900 },
    });

    test('every page of an admin', async ({ admin: page }) => {
      test.setTimeout(480_000);
      for (const [name, path] of ADMIN_PAGES) {
        await open(page, path());
        await expectAccessible(page, name);
        await expectNoSideways(page, name);
      }
    });

    test('every page of an analyst', async ({ analyst: page }) => {
      test.setTimeout(360_000);
      for (const path of USER_PAGES) {
        await open(page, path);
        await expectAccessible(page, path);
        await expectNoSideways(page, path);
      }
    });

    test('the login and what lies over pages', async ({ admin: page }) => {
      await page.goto('/ui/login');
      await open(page, 'users');
      await page.keyboard.press('?');
      await expect(page.getByRole('dialog')).toBeVisible();
      await expectAccessible(page, 'shortcuts');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Add a user' }).click();
      await expect(page.getByRole('dialog', { name: 'Add a user' })).toBeVisible();
      await expectAccessible(page, 'adding a user');
    });

    test('the login', async ({ page }) => {
      await open(page, 'login');
      await expectAccessible(page, 'login');
      await expectNoSideways(page, 'login');
    });
  });
}

test('the menu of a phone opens, keeps the focus inside, and closes', async ({ admin: page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await open(page, 'admin');
  const menu = page.getByRole('button', { name: 'Menu', exact: true });
  await menu.click();
  const nav = page.getByRole('navigation', { name: 'Main' });
  await expect(nav).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(nav).toBeHidden();
  await menu.click();
  await nav.getByRole('link', { name: 'Workers' }).click();
  await expect(page).toHaveURL(/\/ui\/workers$/);
  await expect(nav).toBeHidden();
});
