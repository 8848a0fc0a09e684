import { Page, Route } from '@playwright/test';

import { call, runOnce, yamlForm } from './support/api';
import { put } from './support/server';
import { expect, test } from './support/test';

// A page never shows data of anything but what its heading, filter or address names, also while it is loading.

let shown: number;
let missing: number;
let table: string;

function yamlOf(name: string, folder: string): string {
  return `name: ${name}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: ${name}\n`;
}

test.beforeAll(async () => {
  const rows = Array.from({ length: 130 }, (_, at) => `${at + 1},place ${at}`).join('\n');
  table = yamlOf('places', put('places/a.csv', `id,place\n${rows}\n`));
  const run = await runOnce(table);
  expect(run.error).toBeNull();
  shown = run.config_id;
  const config = yamlForm(yamlOf('never_loaded', put('never_loaded/a.csv', 'id\n1\n')));
  missing = (await call<{ id: number }>('POST', '/upload-config', config)).id;
});

/** Holds answers back until the returned function is called. */
async function hold(page: Page, address: RegExp): Promise<() => void> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.route(address, async (route: Route) => {
    await released;
    await route.continue();
  });
  return release;
}

async function expectNothingOfPlaces(page: Page): Promise<void> {
  await expect(page.getByRole('region', { name: 'Rows of the table' })).toHaveCount(0);
  await expect(page.getByText(/of 130/)).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Export CSV' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Filter', exact: true })).toHaveCount(0);
}

async function bring(page: Page, yaml: string): Promise<void> {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: /^Choose (a|another) YAML/ }).click();
  await (
    await chooser
  ).setFiles({ name: 'target.yaml', mimeType: 'application/yaml', buffer: Buffer.from(yaml) });
}

test.describe('a table that cannot be read', () => {
  test.use({ expected: /404|400|422/ });

  test('shows no row of the table before it, to an admin', async ({ admin: page }) => {
    await page.goto(`/ui/data-view?config=${shown}`);
    await expect(page.getByText('1–100 of 130')).toBeVisible();
    await page.getByLabel('Known target').selectOption(String(missing));
    await expect(page.getByRole('alert')).toContainText('does not exist');
    await expectNothingOfPlaces(page);
    await page.getByLabel('Known target').selectOption(String(shown));
    await expect(page.getByText('1–100 of 130')).toBeVisible();
    await expect(page.getByRole('alert')).toHaveCount(0);
  });

  test('shows no row of the table before it, to an analyst', async ({ analyst: page }) => {
    await page.goto('/ui/data-view');
    for (const broken of ['target:\n  table: nowhere_at_all\n', 'target: [\n', 'name: without a target\n']) {
      await bring(page, table);
      await expect(page.getByText('1–100 of 130')).toBeVisible();
      await bring(page, broken);
      await expect(page.getByRole('alert').first()).toBeVisible();
      await expectNothingOfPlaces(page);
    }
  });

  test('keeps a refused filter, so that it can be removed, and shows no unfiltered row', async ({
    admin: page,
  }) => {
    await page.goto(`/ui/data-view?config=${shown}`);
    await expect(page.getByText('1–100 of 130')).toBeVisible();
    await page.getByLabel('Column', { exact: true }).selectOption('id');
    await page.getByLabel('Comparison').selectOption('is more than');
    await page.getByLabel('Value').fill('many');
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await expect(page.getByRole('alert')).toBeVisible();
    await expect(page.getByRole('region', { name: 'Rows of the table' })).toHaveCount(0);
    await page.getByRole('button', { name: /^Remove the filter id/ }).click();
    await expect(page.getByText('1–100 of 130')).toBeVisible();
    await expect(page.getByRole('alert')).toHaveCount(0);
  });
});

test('a slow table does not show the rows of the table before it', async ({ admin: page }) => {
  const other = put('rivers/a.csv', 'id,river\n1,Oder\n');
  const run = await runOnce(yamlOf('rivers', other));
  await page.goto(`/ui/data-view?config=${shown}`);
  await expect(page.getByText('1–100 of 130')).toBeVisible();
  await page.getByRole('button', { name: /^place/ }).click();
  await expect(page.getByRole('columnheader', { name: /^place/ })).toHaveAttribute('aria-sort', 'ascending');
  const release = await hold(page, /\/data-view\?config_id/);
  await page.getByLabel('Known target').selectOption(String(run.config_id));
  await expect(page.getByText('Loading…')).toBeVisible();
  await expectNothingOfPlaces(page);
  release();
  await expect(page.getByText('1–1 of 1')).toBeVisible();
  await expect(page.getByRole('cell', { name: 'Oder' })).toBeVisible();
});

test('a list never shows the rows of another filter', async ({ admin: page }) => {
  await page.goto('/ui/runs');
  const list = page.getByRole('region', { name: 'Runs' });
  await expect(list.getByRole('link', { name: 'places' }).first()).toBeVisible();
  await list.getByRole('checkbox').first().check();
  await expect(page.getByText('1 chosen')).toBeVisible();
  const release = await hold(page, /\/runs\?.*state=stopped/);
  await page.getByRole('link', { name: /^Stopped/ }).click();
  await expect(page.getByText('Loading…')).toBeVisible();
  await expect(list).toHaveCount(0);
  await expect(page.getByText('1 chosen')).toHaveCount(0);
  release();
  await expect(page.getByText('Loading…')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'places' })).toHaveCount(0);
});

test('a comparison never shows the sides of another one', async ({ admin: page }) => {
  await page.goto(`/ui/config-history/compare?from=${shown}&to=${missing}`);
  await expect(page.getByRole('link', { name: /^places, version/ })).toBeVisible();
  const release = await hold(page, /\/configs\/diff/);
  await page.getByRole('link', { name: 'Swap sides' }).click();
  await expect(page.getByText('Loading…')).toBeVisible();
  await expect(page.getByRole('link', { name: /^places, version/ })).toHaveCount(0);
  release();
  await expect(page.getByRole('link', { name: /^places, version/ })).toBeVisible();
});

test('a retried run is never shown as the run before it', async ({ admin: page }) => {
  const folder = put('unready/a.csv', 'id\n1\n');
  const run = await runOnce(
    `${yamlOf('unready', folder)}schema:\n  columns:\n    id: int64\n    email: string\nstrict_mode: true\n`,
  );
  expect(run.state).toBe('failed');
  await page.goto(`/ui/runs/${run.id}`);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('Failed').first()).toBeVisible();
  const release = await hold(page, /\/runs\/[0-9a-f-]{36}$/);
  await page.getByRole('button', { name: 'Retry' }).click();
  await expect(page).not.toHaveURL(new RegExp(run.id));
  await expect(page.getByText('Loading…').first()).toBeVisible();
  await expect(state).toHaveCount(0);
  release();
  await expect(page.getByRole('link', { name: 'Earlier run' })).toBeVisible();
});
