import type { Page } from '@playwright/test';

import { call, runOnce, yamlForm } from './support/api';
import { expect, test } from './support/test';

/** A secret for each place, found nowhere else. */
const CANARIES = {
  path: 'T00CANARY/B00CANARY/XyZpathCanary0123456789',
  query: 'c4n4ryQuery0123456789abcdef',
  header: 'c4n4ryHeader0123456789abcdef',
  target: 'c4n4ryTarget0123456789',
  stored: 'c4n4ryStored0123456789',
};

/** An API source at a port where nobody listens, so that its runs fail and tell of it. */
function yaml(table: string): string {
  return `name: canaries
sources:
  - type: api
    url: http://127.0.0.1:9/services/${CANARIES.path}?api_key=${CANARIES.query}
    headers:
      X-Key: ${CANARIES.header}
    auth_token: \${secret:canaries.token}
target:
  host: 127.0.0.1
  port: 9
  database: shop
  user: ann
  password: ${CANARIES.target}
  table: ${table}
monitor:
  enabled: false
retry:
  max_attempts: 1
`;
}

/** Everything that a page holds: its elements, what is typed into its fields, and what the browser keeps for it. */
async function heldBy(page: Page): Promise<string> {
  const fields = await page.evaluate(() => {
    const texts = [...document.querySelectorAll('input, textarea')].map(
      (field) => (field as HTMLInputElement).value,
    );
    return [...texts, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })].join('\n');
  });
  return `${await page.content()}\n${fields}`;
}

test.describe('secrets of a config and stored ones', () => {
  // Some of the pages ask for what the target cannot give.
  test.use({ expected: /50[0-9]|4[0-9][0-9]/ });

  test('are on no page, apart from the exact text of the config', async ({ admin: page }) => {
    const value = CANARIES.stored;
    await call('PUT', '/secrets/canaries.token', {
      value,
      pipelines: ['canaries'],
      description: 'For the canaries',
    });
    const first = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml('before')));
    const run = await runOnce(yaml('canaries'));
    expect(run.state).toBe('failed');

    const pages: [string, string | RegExp][] = [
      ['admin', 'canaries'],
      ['runs', 'canaries'],
      [`runs/${run.id}`, 'canaries'],
      ['config-history', 'canaries'],
      [`config-history/compare?from=${first.id}&to=${run.config_id}`, 'canaries'],
      ['pipelines', 'canaries'],
      ['secrets', 'For the canaries'],
      ['audit', 'canaries.token'],
      ['logs', 'canaries'],
      ['schedules', 'Schedules'],
      ['quarantine', 'Quarantine'],
      ['workers', 'Workers'],
      ['retention', 'Retention'],
      ['new-job', 'New job'],
    ];
    for (const [path, text] of pages) {
      await page.goto(`/ui/${path}`);
      // The bars of a chart have titles with the same text, which are not visible.
      await expect(page.getByText(text).filter({ visible: true }).first(), path).toBeVisible();
      const held = await heldBy(page);
      for (const [place, canary] of Object.entries(CANARIES)) {
        expect(held.includes(canary), `the secret of ${place} on ${path}`).toBe(false);
      }
    }

    // The search finds what is there.
    await page.goto(`/ui/config-history/${run.config_id}`);
    await expect(page.locator('.cm-content')).toContainText(CANARIES.target);
    expect(await heldBy(page)).toContain(CANARIES.target);
    expect(await heldBy(page)).not.toContain(CANARIES.stored);
  });
});
