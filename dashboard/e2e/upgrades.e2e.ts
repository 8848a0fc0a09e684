import { Page } from '@playwright/test';

import { expect, expectAccessible, test } from './support/test';

// A tab that was opened before the server was upgraded asks for files that are gone.
test.use({ expected: /404|ERR_INTERNET_DISCONNECTED|Failed to load resource|dynamically imported/ });

/** The files of the dashboard that are loaded from now on no longer exist, as after an upgrade. */
async function upgrade(page: Page): Promise<void> {
  await page.route(/\/ui\/chunk-[A-Z0-9]+\.js$/, (route) => route.fulfill({ status: 404, body: 'gone' }));
}

const notice = (page: Page) => page.getByRole('alert', { name: 'The dashboard' });

test('after an upgrade an old tab offers the new version, and opens the page that was wanted', async ({
  admin: page,
}) => {
  await page.goto('/ui/admin');
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await upgrade(page);
  await page.getByRole('link', { name: 'Users' }).click();
  await expect(notice(page)).toContainText('A new version of the dashboard is available');
  await expectAccessible(page, 'after an upgrade');
  // The open page goes on working.
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await page.unrouteAll();
  await notice(page).getByRole('button', { name: 'Reload' }).click();
  await expect(page).toHaveURL(/\/ui\/users$/);
  await expect(page.getByRole('heading', { name: 'Users' })).toBeVisible();
  await expect(notice(page)).toHaveCount(0);
});

test('keyboard shortcuts and dialogs of an old tab offer the new version too', async ({ admin: page }) => {
  await page.goto('/ui/runs');
  await expect(page.getByRole('heading', { name: 'Runs' })).toBeVisible();
  await upgrade(page);
  await page.keyboard.press('?');
  await expect(notice(page)).toContainText('A new version');
  await notice(page).getByRole('button', { name: 'Close this message' }).click();
  await expect(notice(page)).toHaveCount(0);
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await expect(notice(page)).toContainText('A new version');
});

test('the login of an old tab offers the new version too', async ({ page }) => {
  await page.goto('/ui/login');
  await page.getByLabel('Username').fill('user');
  await upgrade(page);
  await page.getByRole('textbox', { name: 'Password' }).fill('staple analyst view');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(notice(page)).toContainText('A new version');
  await page.unrouteAll();
  await notice(page).getByRole('button', { name: 'Reload' }).click();
  await expect(page).toHaveURL(/\/ui\/user$/);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
});

test('without a connection a page says that the server cannot be reached', async ({
  admin: page,
  context,
}) => {
  await page.goto('/ui/runs');
  await expect(page.getByRole('heading', { name: 'Runs' })).toBeVisible();
  await context.setOffline(true);
  await page.getByRole('link', { name: 'Workers' }).click();
  await expect(notice(page)).toContainText('The server cannot be reached');
  await notice(page).getByRole('button', { name: 'Try again' }).click();
  await expect(notice(page)).toContainText('The server cannot be reached');
  await context.setOffline(false);
  await notice(page)
    .getByRole('button', { name: /Try again|Reload/ })
    .click();
  await expect(page).toHaveURL(/\/ui\/workers$/);
  await expect(page.getByRole('heading', { name: 'Workers' })).toBeVisible();
});
