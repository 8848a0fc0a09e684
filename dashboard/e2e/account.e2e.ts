import { createHmac } from 'node:crypto';

import { Page } from '@playwright/test';

import { call } from './support/api';
import { expect, expectAccessible, test } from './support/test';

const NAME = 'account story';
const PASSWORD = 'several words of a story';

/** The code that an authenticator app shows: RFC 6238 with SHA-1, six digits and 30 seconds. */
function codeOf(secret: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = Array.from(secret, (letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = (mac[19] ?? 0) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

async function logIn(page: Page, name: string, password: string): Promise<void> {
  await page.goto('/ui/login');
  await page.getByLabel('Username').fill(name);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

async function openAccount(page: Page): Promise<void> {
  await page.getByRole('button', { name: NAME }).click();
  await page.getByRole('menuitem', { name: 'Account' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
}

/** Removes a user, so that the stories after this one find the users they expect. */
async function remove(name: string): Promise<void> {
  const users = await call<{ data: { id: string; username: string }[] }>('GET', '/users');
  const user = users.data.find((user) => user.username === name);
  if (user) await call('DELETE', `/users/${user.id}`);
}

test.describe('the account page', () => {
  test.afterAll(() => remove(NAME));

  test.use({ expected: /401|403/ });

  test('changes the password, ends sessions and turns a second factor on', async ({ page }) => {
    await call('POST', '/users', { username: NAME, password: 'the first password', role: 'user' });
    const other = await (
      await page.request.post('/auth/login', { data: { username: NAME, password: 'the first password' } })
    ).json();
    await logIn(page, NAME, 'the first password');
    await openAccount(page);

    const sessions = page.getByRole('region', { name: 'Sessions', exact: true });
    await expect(sessions.getByRole('row')).toHaveCount(3);
    await expect(sessions.getByText('this one')).toHaveCount(1);
    await sessions.getByRole('button', { name: /^End the session/ }).click();
    await expect(sessions.getByRole('row')).toHaveCount(2);
    const refused = await page.request.get('/auth/me', {
      headers: { authorization: `Bearer ${other.token}` },
    });
    expect(refused.status()).toBe(401);

    const card = page.getByRole('region', { name: 'Password', exact: true });
    await card.getByLabel('Current password').fill('the first password');
    await card.getByLabel('New password', { exact: true }).fill(PASSWORD);
    await expect(card.getByRole('button')).toBeDisabled();
    await card.getByLabel('New password again').fill(PASSWORD);
    await card.getByRole('button').click();
    await expect(page.getByText('Your password was changed')).toBeVisible();
    await expect(card.getByLabel('Current password')).toBeFocused();
    await expectAccessible(page, 'account');

    const factor = page.getByRole('region', { name: 'Second factor' });
    const factorPassword = factor.getByLabel('Current password');
    const setUp = factor.getByRole('button', { name: 'Set it up' });
    await factorPassword.fill('not the password');
    await setUp.click();
    await expect(factor.getByRole('alert')).toBeVisible();
    await expect(factorPassword).toBeFocused();
    await factorPassword.fill(PASSWORD);
    await setUp.click();
    await expect(factor.getByLabel('Code from the app')).toBeFocused();
    await factor.getByRole('button', { name: 'Cancel' }).click();
    await expect(factorPassword).toBeFocused();
    await factorPassword.fill(PASSWORD);
    await setUp.click();
    await expect(factor.getByAltText('QR code of the secret')).toBeVisible();
    const secret = (await factor.locator('.secret').textContent()) ?? '';
    await page.screenshot({ path: test.info().outputPath('second-factor.png'), fullPage: true });
    const firstCode = factor.getByLabel('Code from the app');
    await firstCode.fill('000000');
    await factor.getByRole('button', { name: 'Turn it on' }).click();
    await expect(factor.getByRole('alert')).toBeVisible();
    await expect(firstCode).toBeFocused();
    await firstCode.fill(codeOf(secret));
    await factor.getByRole('button', { name: 'Turn it on' }).click();
    await expect(factor.getByRole('listitem')).toHaveCount(10);
    await expect(factor.getByText('The second factor is on.')).toBeFocused();
    const recovery = (await factor.getByRole('listitem').first().textContent()) ?? '';
    const spare = (await factor.getByRole('listitem').last().textContent()) ?? '';
    await page.screenshot({ path: test.info().outputPath('account.png'), fullPage: true });
    await factor.getByRole('button', { name: 'I have stored them' }).click();
    await expect(factor.getByRole('heading', { name: 'Second factor' })).toBeFocused();

    await page.getByRole('button', { name: NAME }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await logIn(page, NAME, PASSWORD);
    const code = page.getByLabel('Code from your authenticator app');
    await expect(code).toBeFocused();
    await code.fill('000000');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toContainText('code is wrong');
    await code.fill(recovery);
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/ui\/user$/);

    await openAccount(page);
    await factorPassword.fill(PASSWORD);
    const lastCode = factor.getByLabel('Code from the app, or a recovery code');
    await lastCode.fill('000000');
    await factor.getByRole('button', { name: 'Turn it off' }).click();
    await expect(factor.getByRole('alert')).toBeVisible();
    await expect(lastCode).toBeFocused();
    await lastCode.fill(spare);
    await factor.getByRole('button', { name: 'Turn it off' }).click();
    await expect(factor.getByRole('heading', { name: 'Second factor Off' })).toBeFocused();
  });
});

test.describe('single sign-on at a real provider', () => {
  test.afterAll(() => remove('ann'));
  // The provider's own pages have no icon, and ask for fonts that are not fetched.
  test.use({ expected: /favicon\.ico|fonts\.googleapis/ });

  test.beforeEach(async ({ page }) => {
    // Nothing is fetched from other machines, also not the fonts of the provider's pages.
    await page.route(/^https:/, (route) => route.fulfill({ contentType: 'text/css', body: '' }));
  });

  async function enter(page: Page, who: string): Promise<void> {
    await page.getByRole('link', { name: 'Log in with single sign-on' }).click();
    await page.getByPlaceholder('Enter any login').fill(who);
    await page.getByPlaceholder('and password').fill('any');
    await page.getByRole('button', { name: 'Sign-in' }).click();
    await page.getByRole('button', { name: 'Continue' }).click();
  }

  test('brings an admin to the page that was asked for, with no code in an address', async ({ page }) => {
    const addresses: string[] = [];
    page.on('framenavigated', (frame) => addresses.push(frame.url()));
    await page.goto('/ui/users');
    await expect(page).toHaveURL(/\/ui\/login/);
    await page.screenshot({ path: test.info().outputPath('login.png') });
    await enter(page, 'ann');
    await expect(page).toHaveURL(/\/ui\/users$/);
    await expect(page.getByRole('row', { name: /ann.*single sign-on/ })).toBeVisible();
    const token = await page.evaluate(() => localStorage.getItem('token') ?? '');
    expect(token).toMatch(/^eyJ/);
    const own = addresses.filter((address) => address.includes('/ui/'));
    expect(own.some((address) => /code=|token=|eyJ/.test(address))).toBe(false);
  });

  test('tells people without a group why they may not enter', async ({ page }) => {
    await page.goto('/ui/login');
    await enter(page, 'eve');
    await expect(page.getByRole('alert')).toContainText('none of your groups');
    expect(await page.evaluate(() => localStorage.getItem('token'))).toBeNull();
  });
});
