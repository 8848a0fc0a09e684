import { Server, createServer } from 'node:http';
import { AddressInfo } from 'node:net';

import { RunSeen, call, yamlForm } from './support/api';
import { rows } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

// Runs that go on are followed side by side, and a tile says how its run ended.

const NAMES = ['followed_a', 'followed_b'] as const;
let server: Server;
/** Pipelines whose source has an end. */
const ending = new Set<string>();

test.beforeAll(async () => {
  // Every page leads to another one a moment later, until the source of a pipeline ends.
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    const page = Number(url.searchParams.get('page') ?? 1);
    const rows = ending.has(url.pathname.slice(1)) ? [] : [{ id: page, name: `row ${page}` }];
    setTimeout(() => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(rows));
    }, 250);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

test.afterAll(() => server.close());

async function start(name: string): Promise<string> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
  const yaml = `name: ${name}\nsources:\n  - type: api\n    url: ${url}\n    pagination:\n      type: page\ntarget:\n  table: ${name}\nmonitor:\n  enabled: false\n`;
  const { id: config_id } = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml));
  const { id } = await call<RunSeen>('POST', '/runs', { config_id });
  await expect.poll(async () => (await call<RunSeen>('GET', `/runs/${id}`)).state).toBe('running');
  return id;
}

test('running runs are chosen, followed together, and stay with how they ended', async ({ admin: page }) => {
  const ids = [await start(NAMES[0]), await start(NAMES[1])];

  await page.goto('/ui/runs?search=followed_');
  for (const name of NAMES) await page.getByRole('checkbox', { name: `Choose the run of ${name}` }).check();
  await page.getByRole('button', { name: 'Follow 2' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\/follow\?ids=[0-9a-f-]{36},[0-9a-f-]{36}$/);
  const [a, b] = NAMES.map((name) => page.getByRole('region', { name: new RegExp(`^${name}, run`) }));
  if (a === undefined || b === undefined) throw new Error('there are two tiles');
  for (const tile of [a, b]) {
    await expect(tile.getByText('Running', { exact: true })).toBeVisible();
    await expect(tile.getByTestId('progress')).toContainText(/Reading the sources….* · \d+ rows?/s);
    await expect(tile.getByRole('listitem').first()).toBeVisible();
    expect(await tile.getByRole('listitem').count()).toBeLessThanOrEqual(5);
  }
  await expectAccessible(page, 'two runs that are followed');
  // It goes on by itself.
  const read = async (): Promise<number> =>
    Number(/(\d+) rows?\b/.exec((await a.getByTestId('progress').textContent()) ?? '')?.[1] ?? 0);
  const before = await read();
  await expect.poll(read).toBeGreaterThan(before);

  await call('POST', `/runs/${ids[1]}/stop`);
  await expect(b.getByText('Stopped', { exact: true })).toBeVisible();
  await expect(b).toContainText('The run was stopped while its sources were read.');
  const said = page.getByRole('main').getByRole('status');
  await expect(said).toContainText('followed_b: stopped.');
  await expect(a.getByText('Running', { exact: true })).toBeVisible();

  ending.add(NAMES[0]);
  await expect(a.getByText('Clean', { exact: true })).toBeVisible();
  const loaded = await rows(NAMES[0]);
  await expect(a).toContainText(`${loaded} new rows`);
  await expect(said).toContainText(`followed_a: clean. ${loaded} new rows`);
  await expect(page.getByText('0 of these 2 runs running')).toBeVisible();
  await expectAccessible(page, 'runs that have ended');
  await a.getByRole('link', { name: NAMES[0] }).click();
  await expect(page).toHaveURL(new RegExp(`/ui/runs/${ids[0]}$`));
});

test('all running runs are one click away, and a pipeline whose run goes on can be chosen', async ({
  admin: page,
}) => {
  // A page that names no run takes up what starts, by itself. Runs of other pipelines may go on as well.
  await page.goto('/ui/runs/follow');
  await expect(page.getByRole('heading', { level: 1, name: 'Follow runs' })).toBeVisible();
  ending.clear();
  const id = await start(NAMES[0]);
  await expect(page).toHaveURL(/ids=[0-9a-f-]{36}/);

  await page.goto('/ui/runs');
  await page.getByRole('link', { name: 'Follow running runs' }).click();
  await expect(page).toHaveURL(new RegExp(`ids=.*${id}`));
  const tile = page.getByRole('region', { name: new RegExp(`^${NAMES[0]}, run`) });
  await expect(tile.getByText('Running', { exact: true })).toBeVisible();

  await page.goto(`/ui/pipelines?search=${NAMES[0]}`);
  await page.getByRole('checkbox', { name: `Choose the run of ${NAMES[0]}` }).check();
  await expectAccessible(page, 'a pipeline whose run is chosen');
  await page.getByRole('button', { name: 'Follow 1' }).click();
  await expect(page).toHaveURL(new RegExp(`ids=${id}$`));
  await call('POST', `/runs/${id}/stop`);
  await expect(tile.getByText('Stopped', { exact: true })).toBeVisible();
});

test.describe('a run that is not there', () => {
  test.use({ expected: /404/ });

  test('has a tile that says so', async ({ admin: page }) => {
    await page.goto('/ui/runs/follow?ids=0199a1f0-0000-7000-8000-00000000000a');
    await expect(page.getByText('This run does not exist.')).toBeVisible();
    await expectAccessible(page, 'a followed run that is not there');
  });
});
