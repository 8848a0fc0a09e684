import { ADDRESS } from './support/server';
import { expect, test } from './support/test';

test('an API token is created for a service account, used by a program, and revoked', async ({
  admin: page,
}) => {
  await page.goto('/ui/users');
  await page.getByRole('button', { name: 'Add a service account' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('deploy');
  await dialog.getByLabel('Role').selectOption('admin');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('row', { name: /^deploy service account/ })).toContainText(
    'Active, with API tokens only',
  );

  await page.goto('/ui/api-tokens');
  await page.getByRole('button', { name: 'Create a token' }).click();
  const create = dialog.getByRole('button', { name: 'Create' });
  await dialog.getByLabel('Name').fill('nightly export');
  await dialog.getByLabel('Acts as').selectOption({ label: 'deploy (service account)' });
  await expect(create).toBeDisabled();
  await dialog.getByRole('checkbox', { name: /^read/ }).check();
  await dialog.getByLabel('Expires in').selectOption({ label: '30 days' });
  await create.click();
  const token = await dialog.getByTestId('token').innerText();
  expect(token).toMatch(/^elt_[0-9A-Za-z]{36}$/);
  await expect(dialog).toContainText(`curl -H "Authorization: Bearer $ELT_TOKEN" ${ADDRESS}/runs`);
  await page.keyboard.press('Escape');
  await expect(dialog.getByTestId('token'), 'what is shown once is not lost by accident').toBeVisible();
  await dialog.getByRole('button', { name: 'I have stored it' }).click();

  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(`${ADDRESS}/runs`, { headers })).status).toBe(200);
  expect((await fetch(`${ADDRESS}/runs`, { method: 'POST', headers })).status).toBe(403);
  await page.reload();
  const row = page.getByRole('row', { name: /^nightly export/ });
  await expect(row).toContainText('deploy');
  await expect(row).toContainText('127.0.0.1');
  expect(await page.content()).not.toContain(token);

  await row.getByRole('button', { name: 'Revoke nightly export' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(row).toContainText('Revoked');
  await expect(page.getByRole('region', { name: 'API tokens' })).toBeFocused();
  expect((await fetch(`${ADDRESS}/runs`, { headers })).status).toBe(401);
});

test('an analyst creates tokens of their own, with the scopes of their role', async ({ analyst: page }) => {
  await page.goto('/ui/api-tokens');
  await expect(page.getByText('No API tokens yet')).toBeVisible();
  await page.getByRole('button', { name: 'Create a token' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('checkbox')).toHaveCount(2);
  await dialog.getByLabel('Name').fill('notebook');
  await dialog.getByRole('checkbox', { name: /^data/ }).check();
  await dialog.getByRole('button', { name: 'Create' }).click();
  await dialog.getByRole('button', { name: 'I have stored it' }).click();
  await expect(page.getByRole('row', { name: /^notebook/ })).toContainText('data');
});
