import { Page } from '@playwright/test';

import { call, runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

// Filters of a list are saved under a name in the browser, and are found again by it.

const NAME = 'seen_again';

test.beforeAll(async () => {
  const yaml = (path: string): string =>
    `name: ${NAME}\nsources:\n  - type: local\n    path: ${path}\ntarget:\n  table: ${NAME}\n`;
  expect((await runOnce(yaml(put(`${NAME}/a.csv`, 'id\n1\n')))).state).toBe('succeeded');
  const broken = `${yaml(put(`${NAME}_broken/a.csv`, 'id\nx\n'))}schema:\n  columns:\n    id: int64\non_bad_row: fail\n`;
  for (let at = 0; at < 2; at++) expect((await runOnce(broken)).state).toBe('failed');
});

async function saveView(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'Save view…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Save view' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByLabel('Saved views')).toHaveValue(name);
}

test('a view of the runs is saved, opened, renamed, found by Ctrl-K, and deleted', async ({
  admin: page,
}) => {
  const { counts } = await call<{ counts: Record<string, number> }>('GET', `/runs?name=${NAME}`);
  await page.goto('/ui/runs');
  const views = page.getByLabel('Saved views');
  await expect(views.locator('option:checked')).toHaveText('Default view');
  await expect(page.getByRole('button', { name: 'Save view…' })).toHaveCount(0);

  await page.goto(`/ui/runs?state=failed&name=${NAME}`);
  await expect(views.locator('option:checked')).toHaveText('Not saved');
  const shown = page.getByRole('region', { name: 'Runs' }).getByRole('row');
  await expect(shown).toHaveCount(1 + (counts['failed'] ?? 0));
  await saveView(page, 'Broken loads');
  await expect(views).toBeFocused();
  await expectAccessible(page, 'the runs with a saved view');

  await views.selectOption('Default view');
  await expect(page).toHaveURL(/\/ui\/runs$/);
  await views.selectOption('Broken loads');
  await expect(page).toHaveURL(new RegExp(`state=failed&name=${NAME}$`));
  await expect(shown).toHaveCount(1 + (counts['failed'] ?? 0));

  await page.getByRole('button', { name: 'Rename the view Broken loads' }).click();
  const dialog = page.getByRole('dialog', { name: 'Rename view' });
  await expect(dialog.getByLabel('Name')).toHaveValue('Broken loads');
  await expectAccessible(page, 'renaming a view');
  await dialog.getByLabel('Name').fill('To be mended');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(views).toHaveValue('To be mended');

  // It is there after a reload, on any page, by its name.
  await page.goto('/ui/admin');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.keyboard.press('ControlOrMeta+k');
  await page.getByRole('combobox', { name: /^Go to/ }).fill('mended');
  const found = page.getByRole('listbox', { name: 'Results' }).getByRole('option', { name: 'To be mended' });
  await expect(found).toContainText('Runs');
  await found.click();
  await expect(page).toHaveURL(new RegExp(`state=failed&name=${NAME}$`));
  await expect(views).toHaveValue('To be mended');

  await page.getByRole('button', { name: 'Delete the view To be mended' }).click();
  await expect(views.locator('option:checked')).toHaveText('Not saved');
  await expect(views.getByRole('option')).toHaveText(['Default view', 'Not saved']);
});

test('the pipelines, the quarantine, the log and the audit have views of their own', async ({
  admin: page,
}) => {
  for (const [path, filters, other] of [
    ['pipelines', `search=${NAME}`, ''],
    ['quarantine', 'config=1&code=wrong_type', ''],
    ['logs', 'level=ERROR&text=no+such+line', 'follow=paused'],
    ['audit', 'actor=admin&action=%2Fruns', ''],
  ] as const) {
    const address = (...parts: string[]): RegExp =>
      new RegExp(`/ui/${path}\\??${parts.filter(Boolean).join('&').replaceAll('+', '(\\+|%20)')}$`);
    await page.goto(`/ui/${path}?${[other, filters].filter(Boolean).join('&')}`);
    await saveView(page, `View of ${path}`);
    await page.getByLabel('Saved views').selectOption('Default view');
    // What is not a filter stays as it is.
    await expect(page).toHaveURL(address(other));
    await page.getByLabel('Saved views').selectOption(`View of ${path}`);
    await expect(page).toHaveURL(address(other, filters.replaceAll('%2F', '(/|%2F)')));
    await expect(page.getByLabel('Saved views').getByRole('option')).toHaveCount(2);
  }
});

test('the search of the pipelines is in the address, and follows it', async ({ admin: page }) => {
  await page.goto('/ui/pipelines');
  const box = page.getByLabel('Search all pipelines');
  await box.pressSequentially(`${NAME} `);
  await expect(page).toHaveURL(new RegExp(`search=${NAME}$`));
  await expect(page.getByRole('region', { name: 'Pipelines' }).getByRole('row')).toHaveCount(2);
  // The space at the end is not searched for, and stays for the next word.
  await expect(box).toHaveValue(`${NAME} `);
  await saveView(page, 'Only this one');
  // However fast one view follows the other, the last one is shown.
  for (let times = 0; times < 3; times++) {
    await page.getByLabel('Saved views').selectOption('Default view');
    await expect(page).toHaveURL(/pipelines$/);
    await page.getByLabel('Saved views').selectOption('Only this one');
    await expect(page).toHaveURL(new RegExp(`search=${NAME}$`));
  }
  await page.getByLabel('Saved views').selectOption('Default view');
  await expect(box).toHaveValue('');
  await page.getByLabel('Saved views').selectOption('Only this one');
  await expect(box).toHaveValue(NAME);
  await expect(page.getByRole('region', { name: 'Pipelines' }).getByRole('row')).toHaveCount(2);
});
