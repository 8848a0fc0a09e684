import { logIn } from './support/api';
import { ADDRESS, USER } from './support/server';
import { expect, test } from './support/test';

const ADMIN_WORDS =
  /overview|new job|\bruns\b|schedules|quarantine|\blogs\b|workers|\busers\b|audit|secrets|trigger|config history/i;
const ADMIN_PAGES = [
  'admin',
  'new-job',
  'runs',
  'schedules',
  'config-history',
  'quarantine',
  'logs',
  'workers',
  'users',
  'secrets',
  'audit',
];

test('an analyst sees nothing an admin owns', async ({ analyst: page }) => {
  await page.goto('/ui/');
  await expect(page).toHaveURL(/\/ui\/user$/);
  await expect(page.getByRole('navigation', { name: 'Main' }).getByRole('link')).toHaveText([
    'Home',
    'Data',
    'Upload config',
    'Files',
    'API tokens',
    'Coverage',
  ]);
  for (const path of ['user', 'data-view', 'upload-config', 'files', 'api-tokens', 'coverage']) {
    await page.goto(`/ui/${path}`);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    const words = await page.locator('body').innerText();
    expect(words.replaceAll(/users? (home|view)/gi, '')).not.toMatch(ADMIN_WORDS);
  }
});

test('an analyst who opens an admin page is told so', async ({ analyst: page }) => {
  for (const path of ADMIN_PAGES) {
    await page.goto(`/ui/${path}`);
    await expect(page, path).toHaveURL(/\/ui\/forbidden$/);
    await expect(page.getByText('This page is for administrators')).toBeVisible();
  }
});

test('the API refuses an analyst anyway', async () => {
  const { token } = await logIn(USER.name, USER.password);
  const headers = { authorization: `Bearer ${token}` };
  const refused = [
    '/logs',
    '/logs/search',
    '/config-history',
    '/configs',
    '/config/1',
    '/runs',
    '/schedules',
  ];
  for (const path of [...refused, '/workers', '/users', '/audit', '/overview']) {
    expect((await fetch(ADDRESS + path, { headers })).status, path).toBe(403);
    expect((await fetch(ADDRESS + path)).status, `${path} without a token`).toBe(401);
  }
  expect(
    (await fetch(`${ADDRESS}/trigger-job`, { method: 'POST', headers, body: new FormData() })).status,
  ).toBe(403);
});

test('the addresses of older dashboards lead somewhere', async ({ admin: page }) => {
  for (const path of ['admin', 'logs', 'config-history', 'data-view', 'user']) {
    await page.goto(`/ui/${path}`);
    await expect(page, path).toHaveURL(new RegExp(`/ui/${path}$`));
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  }
});
