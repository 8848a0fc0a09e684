import { ADMIN, USER } from './support/server';
import { expect, expectSettled, test } from './support/test';

test.describe('logging in', () => {
  for (const [who, path] of [
    [ADMIN, '/ui/admin'],
    [USER, '/ui/user'],
  ] as const) {
    test(`${who.name} lands at ${path}, and logging out forgets the token`, async ({ page }) => {
      await page.goto('/');
      await expect(page).toHaveURL(/\/ui\/login/);
      await page.getByLabel('Username').fill(who.name);
      await page.getByRole('textbox', { name: 'Password' }).fill(who.password);
      await page.keyboard.press('Enter');
      await expect(page).toHaveURL(new RegExp(`${path}$`));
      const kept = await page.evaluate(() => [localStorage.getItem('token'), localStorage.getItem('role')]);
      expect(kept).toEqual([expect.stringMatching(/^eyJ/), who.name]);

      await page.getByRole('button', { name: who.name }).click();
      await page.getByRole('menuitem', { name: 'Log out' }).click();
      await expect(page).toHaveURL(/\/ui\/login/);
      await expect(page.getByText('You are logged out.')).toBeVisible();
      expect(await page.evaluate(() => localStorage.getItem('token'))).toBeNull();
      // The page does not wait for the server, which revokes the token a moment later.
      const headers = { authorization: `Bearer ${kept[0]}` };
      const status = async () => (await page.request.get('/coverage-report', { headers })).status();
      await expect.poll(status, { timeout: 30_000 }).toBe(401);
    });
  }

  test.describe('with a wrong password', () => {
    test.use({ expected: /401/ });

    test('says so, and keeps the name', async ({ page }) => {
      await page.goto('/ui/login');
      await page.getByLabel('Username').fill(USER.name);
      await page.getByRole('textbox', { name: 'Password' }).fill('not it');
      await page.getByRole('button', { name: 'Log in' }).click();
      await expect(page.getByRole('alert')).toContainText('The username or the password is wrong');
      await expect(page.getByLabel('Username')).toHaveValue(USER.name);
    });
  });

  test('a page asked for before logging in comes after it', async ({ page }) => {
    await page.goto('/ui/runs?state=failed');
    await expect(page).toHaveURL(/\/ui\/login/);
    await page.getByLabel('Username').fill(ADMIN.name);
    await page.getByRole('textbox', { name: 'Password' }).fill(ADMIN.password);
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/ui\/runs\?state=failed$/);
  });

  test('never leads to another site', async ({ page }) => {
    await page.goto('/ui/login?back=//example.com/');
    await page.getByLabel('Username').fill(USER.name);
    await page.getByRole('textbox', { name: 'Password' }).fill(USER.password);
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/ui\/user$/);
  });
});

test.describe('a session', () => {
  test('warns before its end, and goes on without leaving the page', async ({ admin: page }) => {
    await page.clock.install();
    await page.goto('/ui/runs');
    await expect(page.getByRole('heading', { name: 'Runs', level: 1 })).toBeVisible();
    await page.clock.fastForward('56:00');
    await expect(page.getByText('Your session ends in')).toBeVisible();
    await page.getByRole('button', { name: 'Stay logged in' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByLabel('Username')).toHaveValue(ADMIN.name);
    await expectSettled(page);
    await dialog.getByRole('textbox', { name: 'Password' }).fill(ADMIN.password);
    await dialog.getByRole('button', { name: 'Log in' }).click();
    await expect(dialog).toBeHidden();
    await expect(page).toHaveURL(/\/ui\/runs$/);
  });

  test('that ended leads to the login and back', async ({ admin: page }) => {
    await page.clock.install();
    await page.goto('/ui/users');
    await expect(page.getByRole('heading', { name: 'Users', level: 1 })).toBeVisible();
    await page.clock.fastForward('01:01:00');
    await expect(page).toHaveURL(/\/ui\/login\?why=expired&back=%2Fusers/);
    await expect(page.getByText('Your session has ended.')).toBeVisible();
  });

  test('that ended in another tab is over in this one', async ({ admin: page, context }) => {
    await page.goto('/ui/admin');
    await expect(page.getByRole('heading', { name: 'Overview', level: 1 })).toBeVisible();
    const other = await context.newPage();
    await other.goto('/ui/login');
    await other.evaluate(() => localStorage.removeItem('token'));
    await expect(page).toHaveURL(/\/ui\/login/);
    await other.close();
  });
});
