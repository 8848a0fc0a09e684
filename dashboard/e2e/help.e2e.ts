import { expect, expectAccessible, test } from './support/test';

test('a page leads to its help, which is searched, and to what a code means', async ({
  admin: page,
  context,
}) => {
  await page.goto('/ui/runs');
  const opened = context.waitForEvent('page');
  await page.getByRole('link', { name: 'Help for this page' }).click();
  const help = await opened;
  await expect(help).toHaveURL(/\/ui\/help\/use\/runs$/);
  await expect(help.getByRole('heading', { name: 'Runs', level: 1 })).toBeVisible();
  await expect(help.getByRole('link', { name: 'Runs', exact: true })).toHaveAttribute('aria-current', 'page');

  await help.getByRole('searchbox').fill('target_locked');
  await help.keyboard.press('Enter');
  await help.getByRole('link', { name: 'target_locked' }).first().click();
  await expect(help).toHaveURL(/\/ui\/help\/errors#target_locked$/);
  await expect(help.getByRole('heading', { name: 'target_locked' })).toBeInViewport();
});

test('the help is accessible in every theme and on a phone', async ({ page }) => {
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const address of ['', 'sources/csv', '?q=quotes']) {
      await page.goto(`/ui/help/${address}`);
      await expectAccessible(page, `help/${address}, ${scheme}`);
    }
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto('/ui/help/sources/csv');
  await expectAccessible(page, 'help on a phone');
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(360);
});
