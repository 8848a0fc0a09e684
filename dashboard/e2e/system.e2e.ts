import { LINES, importCoverage } from './support/coverage';
import { expect, expectAccessible, test } from './support/test';

test('a user is added, locked out, let in, made an admin, and removed', async ({ admin: page, browser }) => {
  await page.goto('/ui/users');
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Add a user' }).click();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText('was added')).toHaveCount(0);
  await page.getByRole('button', { name: 'Add a user' }).click();
  await dialog.getByLabel('Name').fill('grace');
  const password = dialog.getByLabel('Password');
  await password.fill('short');
  await expect(dialog.getByRole('button', { name: 'Save' })).toBeDisabled();
  await password.clear();
  await expect(password).toHaveValue('');
  await password.fill('long enough for grace');
  await expect(password).toHaveValue('long enough for grace');
  await dialog.getByRole('button', { name: 'Save' }).click();
  const row = page.getByRole('row', { name: /^grace/ });
  await expect(row).toContainText('User');

  const context = await browser.newContext();
  const theirs = await context.newPage();
  await theirs.goto('/ui/login');
  await theirs.getByLabel('Username').fill('grace');
  await theirs.getByRole('textbox', { name: 'Password' }).fill('long enough for grace');
  await theirs.keyboard.press('Enter');
  await expect(theirs).toHaveURL(/\/ui\/user$/);

  const choose = async (item: string, yes?: string) => {
    await page.getByRole('button', { name: 'Change grace' }).click();
    await page.getByRole('menuitem', { name: item }).click();
    if (yes !== undefined) await page.getByRole('alertdialog').getByRole('button', { name: yes }).click();
    // What lies under a dialog or a menu is hidden from everybody.
    await expect(page.locator('.cdk-overlay-backdrop')).toHaveCount(0);
  };
  await choose('Disable', 'Disable');
  await expect(row).toContainText('Disabled');
  await theirs.goto('/ui/coverage');
  await expect(theirs).toHaveURL(/\/ui\/login/);
  await context.close();

  await choose('Enable');
  await expect(row).toContainText('Active');
  await choose('Change role to Admin', 'Change the role');
  await expect(row).toContainText('Admin');
  await choose('Remove', 'Remove');
  await expect(row).toBeHidden();
  await expect(page.getByRole('region', { name: 'Users' })).toBeFocused();

  await page.goto('/ui/audit?action=%2Fusers');
  const audit = page.getByRole('region', { name: 'Audit' });
  await expect(audit.getByRole('row', { name: /Added a user/ }).first()).toContainText('grace');
  await expect(audit.getByRole('row', { name: /DELETE \/users/ }).first()).toContainText('Done');
  const added = audit.getByRole('row', { name: /POST \/users/ }).filter({ hasText: 'grace' });
  await expect(added).toBeVisible();

  await added.getByRole('button', { name: 'Details of POST /users by admin' }).click();
  const details = audit.getByRole('row', { name: /Place in the chain/ });
  await expect(details).toContainText(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC/);
  await expect(details.locator('pre')).toContainText('"status": 201');
  await expect(details).toContainText(/Hash\s*[0-9a-f]{64}/);
  await expectAccessible(page, 'the details of an audit row');
  await details.getByRole('link', { name: 'Log lines of this request' }).click();
  await expect(page).toHaveURL(/\/ui\/logs\?request=/);
  await expect(page.getByRole('link', { name: /^Only request/ })).toBeVisible();
  await page.goBack();

  await page.getByRole('button', { name: 'Verify' }).click();
  const verified = page.getByRole('status').filter({ hasText: 'as they were written' });
  await expect(verified).toContainText(/by admin\..*\d+:[0-9a-f]{64}/s);
  const head = (await verified.locator('code').first().textContent()) ?? '';
  await page.reload();
  await expect(verified).toContainText(head);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export CSV' }).click();
  expect((await download).suggestedFilename()).toBe('audit.csv');
});

test.describe('the last admin', () => {
  test.use({ expected: /409/ });

  test('cannot lock themselves out', async ({ admin: page }) => {
    await page.goto('/ui/users');
    await page.getByRole('button', { name: 'Change admin' }).click();
    await page.getByRole('menuitem', { name: 'Disable' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Disable' }).click();
    await expect(page.getByText('last admin')).toBeVisible();
  });
});

test('the workers are alive, and say so', async ({ admin: page }) => {
  await page.goto('/ui/workers');
  const row = page.getByRole('region', { name: 'Workers' }).getByRole('row').nth(1);
  await expect(row).toContainText('Working');
  await expect(row).toContainText(/pid \d+/);
});

test('coverage is a number, a bar of that width, and a table of files', async ({ admin: page }) => {
  await importCoverage(190);
  await page.goto('/ui/coverage');
  await expect(page.getByTestId('percent')).toHaveText('86%');
  await expect(page.getByText(`190 of ${LINES} lines`)).toBeVisible();
  const bar = page.getByRole('progressbar', { name: 'Lines covered' });
  const [whole, part] = await Promise.all([bar.boundingBox(), bar.locator('span').boundingBox()]);
  expect((part?.width ?? 0) / (whole?.width ?? 1)).toBeCloseTo(190 / LINES, 2);
  await expect(page.getByRole('row', { name: /auth\.rs/ })).toContainText('66.7%');
  await expect(page.getByRole('img', { name: 'Percent covered over time' })).toBeVisible();
  await page.getByLabel('Search files').fill('load');
  await expect(page.getByRole('row', { name: /auth\.rs/ })).toBeHidden();
});

test('shortcuts lead everywhere, and rest while one types', async ({ admin: page }) => {
  await page.goto('/ui/admin');
  await expect(page.getByRole('heading', { name: 'Overview', level: 1 })).toBeVisible();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toContainText('Go to Runs');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await expect(page).toHaveURL(/\/ui\/runs/);
  await page.keyboard.press('/');
  await expect(page.getByLabel('Pipeline')).toBeFocused();
  await page.keyboard.type('gl');
  await expect(page).toHaveURL(/\/ui\/runs/);
  await expect(page.getByLabel('Pipeline')).toHaveValue('gl');
});

test('the theme is chosen and kept, without a flash of the other one', async ({ admin: page }) => {
  await page.goto('/ui/admin');
  await page.getByRole('button', { name: 'admin' }).click();
  await page.getByRole('menuitem', { name: 'Theme' }).click();
  await page.getByRole('menuitemradio', { name: 'Dark' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload({ waitUntil: 'commit' });
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test('times are in the zone of the reader, exact in UTC when hovered over', async ({ admin: page }) => {
  await page.goto('/ui/audit');
  const time = page.locator('main time').first();
  await expect(time).toHaveAttribute('title', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/);
  const [shown, title] = [await time.textContent(), await time.getAttribute('title')];
  const berlin = new Intl.DateTimeFormat('en-US', {
    timeZone: 'Europe/Berlin',
    hour: '2-digit',
    hourCycle: 'h23',
  });
  const at = new Date((title ?? '').replace(' UTC', 'Z').replace(' ', 'T'));
  expect(shown).toContain(`, ${berlin.format(at)}:`);
});

test.describe('without the server', () => {
  test.use({ expected: /ERR_INTERNET_DISCONNECTED|ERR_FAILED/ });

  test('the page keeps what it has, says so, and comes back by itself', async ({ admin: page, context }) => {
    await page.goto('/ui/workers');
    await expect(page.getByText('Working')).toBeVisible();
    await context.setOffline(true);
    await expect(page.getByText('The server does not answer.').first()).toBeVisible({ timeout: 60_000 });
    await expect(page.getByText('Working')).toBeVisible();
    await context.setOffline(false);
    await expect(page.getByText('What you see may be old')).toBeHidden({ timeout: 60_000 });
  });
});

test('an address that names no id leads nowhere, and asks the server for nothing', async ({
  admin: page,
}) => {
  for (const path of ['runs/seven', 'config-history/NaN', 'config-history/-1', 'backfills/x']) {
    await page.goto(`/ui/${path}`);
    await expect(page.getByText('There is no page at this address')).toBeVisible();
  }
});

test('a page that was opened has the focus, and a choice on it keeps its own', async ({ admin: page }) => {
  await page.goto('/ui/runs');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Workers' }).click();
  await expect(page.getByRole('heading', { name: 'Workers', exact: true })).toBeVisible();
  await expect(page.locator('#content')).toBeFocused();
  await page.goto('/ui/runs');
  await page.getByLabel('Outcome').selectOption('Clean');
  await expect(page).toHaveURL(/outcome=clean/);
  await expect(page.locator('#content')).not.toBeFocused();
});

test('the log and the timeline keep how they are looked at in the address', async ({ admin: page }) => {
  await page.goto('/ui/logs');
  await page.getByRole('group', { name: 'New lines' }).getByRole('button', { name: 'Live' }).click();
  await expect(page).toHaveURL(/follow=live/);
  await page.reload();
  await expect(
    page.getByRole('group', { name: 'New lines' }).getByRole('button', { name: 'Live' }),
  ).toHaveAttribute('aria-pressed', 'true');
});
