import { Page } from '@playwright/test';

import { runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

const COLUMNS = 342;
const ROWS = 525;
const WIDEST = 1590;
/** Elements of a page that draws what is in sight. The whole table would be 360,000. */
const MOST = 8000;

let wide: number;
let widest: number;
let long: number;

function yamlOf(name: string, folder: string): string {
  return `name: ${name}\nsources:\n  - type: local\n    path: ${folder}\nload: { profile: none }\ntarget:\n  table: ${name}\n`;
}

async function load(name: string, columns: number, rows: number, cell: (y: number, x: number) => string) {
  const header = Array.from({ length: columns }, (_, x) => `column_${x}`).join(',');
  const lines = Array.from({ length: rows }, (_, y) =>
    Array.from({ length: columns }, (_, x) => cell(y, x)).join(','),
  );
  const run = await runOnce(yamlOf(name, put(`${name}/a.csv`, `${header}\n${lines.join('\n')}\n`)));
  expect(run.error).toBeNull();
  return run.config_id;
}

test.beforeAll(async () => {
  test.setTimeout(180_000);
  wide = await load('wide', COLUMNS, ROWS, (y, x) => (x === 0 ? String(y) : `r${y}c${x}`));
  widest = await load('widest', WIDEST, 60, (y, x) => (x === 0 ? String(y) : 'x'));
  long = await load('long', 10, 1000, (y, x) => String(y * 10 + x));
});

const grid = (page: Page) => page.getByRole('region', { name: 'Rows of the table' });

async function elements(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelectorAll('*').length);
}

test('a table of hundreds of columns and rows is drawn in part, and all of it can be reached', async ({
  admin: page,
}) => {
  await page.goto(`/ui/data-view?config=${wide}`);
  await page.getByLabel('Rows per page').selectOption('1000');
  await expect(page.getByText(`1–${ROWS} of ${ROWS}`)).toBeVisible();
  expect(await elements(page)).toBeLessThan(MOST);
  await expect(grid(page).getByRole('table')).toHaveAttribute('aria-colcount', String(COLUMNS));
  await expect(grid(page).getByRole('table')).toHaveAttribute('aria-rowcount', String(ROWS + 1));
  await expectAccessible(page, 'a wide table');

  // By the keyboard to the last row, and by scrolling to the last column.
  await grid(page).focus();
  await page.keyboard.press('End');
  await expect(grid(page).getByText(`r${ROWS - 1}c1`, { exact: true })).toBeVisible();
  await grid(page).evaluate((element) => (element.scrollLeft = element.scrollWidth));
  const corner = grid(page).getByText(`r${ROWS - 1}c${COLUMNS - 1}`, { exact: true });
  await expect(corner).toBeInViewport();
  await expect(grid(page).getByRole('columnheader', { name: `column_${COLUMNS - 1}` })).toBeInViewport();
  expect(await elements(page)).toBeLessThan(MOST);

  // A cell stands under its own header, also in the middle.
  await grid(page).evaluate((element) => {
    element.scrollLeft = element.scrollWidth / 2;
    element.scrollTop = element.scrollHeight / 2;
  });
  const some = grid(page)
    .getByText(/^r2\d\dc1\d\d$/)
    .nth(30);
  await expect(some).toBeVisible();
  const cell = grid(page).getByText(await some.innerText(), { exact: true });
  await cell.scrollIntoViewIfNeeded();
  const column = /c(\d+)$/.exec(await cell.innerText())?.[1] ?? '?';
  const header = grid(page).getByRole('columnheader', { name: new RegExp(`^column_${column} `) });
  // Until scrolling has come to rest, the two may be measured at different moments.
  await expect(async () => {
    const [over, under] = [await header.boundingBox(), await cell.boundingBox()];
    expect(under?.x ?? 0).toBeGreaterThanOrEqual(over?.x ?? Infinity);
    expect(under?.x ?? 0).toBeLessThan((over?.x ?? 0) + (over?.width ?? 0));
  }).toPass({ timeout: 30_000 });
  await cell.dblclick();
  await expect(page.getByRole('dialog')).toContainText(`column_${column}`);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();

  // Headers sort, wherever the table was scrolled to.
  await header.getByRole('button').first().click();
  await expect(
    grid(page).getByRole('columnheader', { name: new RegExp(`^column_${column} `) }),
  ).toHaveAttribute('aria-sort', 'ascending');
  await expect(
    grid(page).getByRole('columnheader', { name: new RegExp(`^column_${column} `) }),
  ).toBeInViewport();
});

test('headers are reached one after the other by the keyboard', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${wide}`);
  await expect(page.getByText(`1–100 of ${ROWS}`)).toBeVisible();
  await grid(page).focus();
  for (let at = 0; at < 30; at++) {
    await page.keyboard.press('Tab');
    // The next header may only now be drawn.
    await expect(page.locator(':focus')).toContainText(`column_${at}`);
  }
  await expect(page.locator(':focus')).toBeInViewport();
});

test('as many columns as a table can have do not freeze the page', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${widest}`);
  await expect(page.getByText('1–60 of 60')).toBeVisible();
  expect(await elements(page)).toBeLessThan(MOST);

  await page.getByRole('button', { name: 'Columns' }).click();
  const panel = page.getByRole('dialog', { name: 'Columns shown' });
  await expect(panel.getByRole('menuitemcheckbox').first()).toBeVisible();
  expect(await panel.getByRole('menuitemcheckbox').count()).toBeLessThan(40);
  await expectAccessible(page, 'the columns of a wide table');
  await panel.getByRole('button', { name: 'Hide all' }).click();
  await panel.getByLabel('Search the columns').fill('column_158');
  await expect(panel.getByRole('menuitemcheckbox')).toHaveCount(11);
  await panel.getByRole('menuitemcheckbox', { name: 'column_1587' }).click();
  await panel.getByRole('menuitemcheckbox', { name: 'column_158', exact: true }).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await expect(panel).toBeHidden();
  await expect(page.getByRole('button', { name: `Columns (2 of ${WIDEST})` })).toBeFocused();
  await expect(grid(page).getByRole('columnheader')).toHaveText([/^\s*column_1580/, /^\s*column_1587/]);
});

test('a long page is drawn in part, row by row as it is scrolled', async ({ admin: page }) => {
  await page.goto(`/ui/data-view?config=${long}`);
  await page.getByLabel('Rows per page').selectOption('1000');
  await expect(page.getByText('1–1,000 of 1,000')).toBeVisible();
  expect(await elements(page)).toBeLessThan(MOST);
  await grid(page).evaluate((element) => (element.scrollTop = element.scrollHeight));
  await grid(page).getByText('9999', { exact: true }).scrollIntoViewIfNeeded();
  await expect(grid(page).getByText('9999', { exact: true })).toBeInViewport();
  await page.setViewportSize({ width: 360, height: 740 });
  await expect(grid(page).getByRole('columnheader').first()).toBeVisible();
  await expectAccessible(page, 'a long table on a phone');
});
