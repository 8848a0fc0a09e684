import { expect, test } from './support/test';

const MOST = 150_000;

test('what the first page needs is small', async ({ page }) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  // Text is readable before its font arrives, so fonts do not count.
  const fonts = new Set<string>();
  let transferred = 0;
  devtools.on('Network.responseReceived', ({ requestId, type }) => type === 'Font' && fonts.add(requestId));
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (!fonts.has(requestId)) transferred += encodedDataLength;
  });
  await page.goto('/ui/login');
  await expect(page.getByRole('button', { name: 'Log in' })).toBeVisible();
  await page.waitForLoadState('networkidle');
  expect(transferred, 'bytes over the wire').toBeLessThanOrEqual(MOST);
});

test('nothing is asked of other servers', async ({ admin: page, baseURL }) => {
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(baseURL ?? '') && !url.startsWith('data:') && !url.startsWith('blob:'))
      elsewhere.push(url);
  });
  for (const path of ['admin', 'new-job', 'logs', 'coverage']) {
    await page.goto(`/ui/${path}`);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  }
  expect(elsewhere).toEqual([]);
});

test('the page may run nothing but its own files', async ({ request }) => {
  const answer = await request.get('/ui/runs/whatever');
  expect(answer.status()).toBe(200);
  const policy = answer.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("object-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(answer.headers()['x-content-type-options']).toBe('nosniff');
});
