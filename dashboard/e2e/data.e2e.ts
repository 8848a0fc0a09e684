import { readFileSync } from 'node:fs';

import { runOnce } from './support/api';
import { put } from './support/server';
import { rows, sql } from './support/sql';
import { expect, test } from './support/test';

const ROWS = 260;

let yaml: string;
let config: number;

test.beforeAll(async () => {
  const lines = Array.from({ length: ROWS }, (_, at) => {
    const note = at === 0 ? '' : at === 1 ? '""' : at === 2 ? '<img src=x onerror=alert(1)>' : `note ${at}`;
    return `${at + 1},city ${String(at % 7)},${(at * 1.25).toFixed(2)},${note}`;
  });
  const folder = put('cities/a.csv', `id,city,amount,note\n${lines.join('\n')}\n`);
  yaml = `name: cities\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: cities\n`;
  const run = await runOnce(yaml);
  expect(run.error).toBeNull();
  config = run.config_id;
});

test('rows are paged, sorted and filtered by the server, and counted as SQL counts them', async ({
  admin: page,
}) => {
  await page.goto(`/ui/data-view?config=${config}`);
  const grid = page.getByRole('region', { name: 'Rows of the table' });
  await expect(grid.getByRole('row')).toHaveCount(101);
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();
  await page.getByRole('button', { name: 'Next page' }).click();
  await expect(page.getByText(`101–200 of ${ROWS}`)).toBeVisible();
  await page.keyboard.press('j');
  await expect(page.getByText(`201–${ROWS} of ${ROWS}`)).toBeVisible();
  await page.getByRole('button', { name: 'Previous page' }).click();
  await expect(page.getByText(`101–200 of ${ROWS}`)).toBeVisible();

  await grid.getByRole('button', { name: /^amount/ }).click();
  await grid.getByRole('button', { name: /^amount/ }).click();
  await expect(grid.getByRole('columnheader', { name: /^amount/ })).toHaveAttribute(
    'aria-sort',
    'descending',
  );
  const [highest] = await sql('select max(amount)::text as amount from cities');
  await expect(grid.getByRole('row').nth(1)).toContainText(highest?.['amount'] ?? '?');

  await page.getByLabel('Column', { exact: true }).selectOption('city');
  await page.getByLabel('Comparison').selectOption('is');
  await page.getByLabel('Value').fill('city 3');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  const found = await rows("cities where city = 'city 3'");
  await expect(page.getByText(`1–${found} of ${found}`)).toBeVisible();
  await expect(grid.getByRole('row')).toHaveCount(found + 1);

  await page.getByRole('button', { name: /^Remove the filter city is/ }).click();
  await page.getByLabel('Column', { exact: true }).selectOption('amount');
  await page.getByLabel('Comparison').selectOption('is more than');
  await page.getByLabel('Value').fill('300.5');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  const large = await rows('cities where amount > 300.5');
  await expect(page.getByText(`of ${large}`)).toBeVisible();
});

test('what is written beside the rows belongs to them, however long the next page takes', async ({
  admin: page,
}) => {
  await page.goto(`/ui/data-view?config=${config}`);
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  await page.route(/\/data-view\b/, async (route) => {
    await arrived;
    await route.continue();
  });
  const next = page.getByRole('button', { name: 'Next page' });
  await next.click();
  await expect(next).toBeDisabled();
  await page.keyboard.press('j');
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();
  arrive();
  await expect(page.getByText(`101–200 of ${ROWS}`)).toBeVisible();
  await page.keyboard.press('j');
  await expect(page.getByText(`201–${ROWS} of ${ROWS}`)).toBeVisible();
});

test('the address keeps what is shown, and the last page is one click away', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${config}`);
  const grid = page.getByRole('region', { name: 'Rows of the table' });
  await page.getByRole('button', { name: 'Last page' }).click();
  await expect(page.getByText(`201–${ROWS} of ${ROWS}`)).toBeVisible();
  await expect(page).toHaveURL(/row=201/);
  await expect(grid.getByRole('row')).toHaveCount(ROWS - 200 + 1);
  await page.reload();
  await expect(page.getByText(`201–${ROWS} of ${ROWS}`)).toBeVisible();
  await page.getByRole('button', { name: 'First page' }).click();
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();

  await grid.getByRole('button', { name: /^amount/ }).click();
  await page.getByLabel('Column', { exact: true }).selectOption('city');
  await page.getByLabel('Comparison').selectOption('is');
  await page.getByLabel('Value').fill('city 3');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'note' }).click();
  await page.keyboard.press('Escape');
  await page.getByLabel('Rows per page').selectOption('25');
  const found = await rows("cities where city = 'city 3'");
  await expect(page.getByText(`1–25 of ${found}`)).toBeVisible();
  const shown = async (): Promise<void> => {
    await expect(page.getByText(`1–25 of ${found}`)).toBeVisible();
    await expect(grid.getByRole('columnheader')).toHaveCount(3);
    await expect(grid.getByRole('columnheader', { name: /^amount/ })).toHaveAttribute(
      'aria-sort',
      'ascending',
    );
    await expect(page.getByRole('list', { name: 'Filters' })).toContainText('city is city 3');
  };
  await shown();
  await page.reload();
  await shown();
  await page.getByRole('link', { name: 'Runs', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Runs', exact: true })).toBeVisible();
  await page.goBack();
  await shown();

  await page.goto(`/ui/data-view?config=${config}&row=9001`);
  await expect(page.getByText('The table ends before this page')).toBeVisible();
  await page.getByRole('button', { name: 'First page' }).click();
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();
});

test('what is shown can be exported as CSV', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${config}`);
  await page.getByLabel('Column', { exact: true }).selectOption('city');
  await page.getByLabel('Comparison').selectOption('is');
  await page.getByLabel('Value').fill('city 5');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  const found = await rows("cities where city = 'city 5'");
  await expect(page.getByText(`of ${found}`)).toBeVisible();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export CSV' }).click(),
  ]);
  expect(file.suggestedFilename()).toBe('cities.csv');
  expect(file.url(), 'the browser writes it to the disk as it arrives').toMatch(/\/data-view\?.*&ticket=/);
  const lines = readFileSync(await file.path(), 'utf8')
    .trimEnd()
    .split('\n');
  expect(lines[0]?.trim()).toBe('id,city,amount,note');
  expect(lines).toHaveLength(found + 1);
});

test('NULL, the empty text and markup are shown as what they are', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${config}`);
  const grid = page.getByRole('region', { name: 'Rows of the table' });
  const row = (id: number) => grid.getByRole('row', { name: new RegExp(`^${id} city`) });
  await expect(row(1)).toContainText('NULL');
  await expect(row(2).getByText('empty')).toBeVisible();
  await expect(row(3)).toContainText('<img src=x onerror=alert(1)>');
  expect(await page.locator('main img').count()).toBe(0);
  await row(4).getByText('note 3').dblclick();
  await expect(page.getByRole('dialog')).toContainText('note 3');
});

test('columns can be left out of sight', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${config}`);
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'note' }).click();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('columnheader', { name: /^note/ })).toBeHidden();
  await expect(page.getByRole('columnheader')).toHaveCount(3);
});

test('an analyst brings a YAML and sees the same grid', async ({ analyst: page }) => {
  await page.goto('/ui/user');
  await page.getByRole('link', { name: /View data/ }).click();
  await expect(page.getByLabel('Known target')).toBeHidden();
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Choose a YAML file' }).click();
  await (
    await chooser
  ).setFiles({ name: 'cities.yaml', mimeType: 'application/yaml', buffer: Buffer.from(yaml) });
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();
  await expect(page.getByRole('columnheader').first()).toContainText('bigint');
});

test.describe('a table that does not exist', () => {
  test.use({ expected: /404/ });

  test('is said to be missing, with what to do', async ({ analyst: page }) => {
    await page.goto('/ui/data-view');
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Choose a YAML file' }).click();
    const buffer = Buffer.from('target:\n  table: nowhere_to_be_found\n');
    await (await chooser).setFiles({ name: 'x.yml', mimeType: 'application/yaml', buffer });
    await expect(page.getByRole('alert')).toContainText('does not exist');
  });
});
