import { Page } from '@playwright/test';
import { createServer, Server } from 'node:http';
import { AddressInfo } from 'node:net';

import { call } from './support/api';
import { writeYaml } from './support/editor';
import { put } from './support/server';
import { rows, sql } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

/** Clicks and choices that a pipeline may need beyond typing, and the time for all of it. Fields are filled with the keyboard. */
const MOST_CLICKS = 5;
const LONGEST_MS = 60_000;

const CSV = 'id,ordered,amount,code\n1,2026-01-31,12.50,007\n2,2026-02-01,7.00,008\n3,,3.25,009\n';
/** The columns of the table that the CSV becomes. */
const TYPES = { id: 'bigint', ordered: 'date', amount: 'numeric', code: 'text' };

/** Counts what a person does with the mouse, and how long everything takes. */
class Stopwatch {
  private readonly began = Date.now();
  private clicks = 0;

  constructor(readonly page: Page) {}

  async click(role: 'button' | 'radio', name: string): Promise<void> {
    this.clicks++;
    const target = this.page.getByRole(role, { name, exact: true });
    if (role === 'radio') await target.check();
    else await target.click();
  }

  async choose(label: string, option: string): Promise<void> {
    this.clicks++;
    await this.page.getByLabel(label, { exact: true }).selectOption(option);
  }

  /** Chooses a file, which is the click that opens the dialog for it. */
  async file(name: string, content: string): Promise<void> {
    const chosen = this.page.waitForEvent('filechooser');
    await this.click('button', 'Choose a file');
    await (await chosen).setFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(content) });
  }

  /** The preview has the rows. */
  async shown(cell: string): Promise<void> {
    await expect(this.page.getByRole('cell', { name: cell, exact: true }).first()).toBeVisible();
  }

  expectInLimits(): void {
    expect(this.clicks, 'clicks beyond typing').toBeLessThanOrEqual(MOST_CLICKS);
    expect(Date.now() - this.began, 'milliseconds').toBeLessThanOrEqual(LONGEST_MS);
  }

  /** Saves, runs, and waits for a run that loaded, within the limits. */
  async finish(): Promise<void> {
    await this.click('button', 'Save and run');
    await expect(this.page).toHaveURL(/\/ui\/runs\/[0-9a-f-]{36}/);
    const state = this.page.getByRole('region', { name: 'State', exact: true });
    await expect(state.getByText('Clean', { exact: true }).first()).toBeVisible();
    this.expectInLimits();
  }
}

async function open(page: Page): Promise<Stopwatch> {
  await page.goto('/ui/new-pipeline');
  await expect(page.getByRole('heading', { name: 'New pipeline' })).toBeVisible();
  return new Stopwatch(page);
}

async function typesOf(table: string): Promise<Record<string, string>> {
  const columns = await sql(
    `select column_name, data_type from information_schema.columns
     where table_name = '${table}' and column_name not like '\\_elt%'`,
  );
  return Object.fromEntries(columns.map((one) => [one['column_name'], one['data_type'] ?? '']));
}

/** The cron expression of the active schedule of a pipeline. */
async function cronOf(name: string): Promise<string | null | undefined> {
  const { data } = await call<{ data: { cron: string | null }[] }>('GET', `/schedules?name=${name}`);
  return data[0]?.cron;
}

const yaml = (page: Page) => page.getByRole('textbox', { name: 'YAML of the job' });

test('a folder becomes a typed table with a key, every night', async ({ admin: page }) => {
  const folder = put('np_folder/a.csv', CSV);
  const watch = await open(page);
  await page.getByLabel('Folder, file or pattern').fill(folder);
  await watch.click('button', 'Preview');
  await watch.shown('007');
  await watch.click('button', 'Keep these types');
  await watch.choose('When it runs', '0 2 * * *');
  await watch.finish();
  expect(await rows('np_folder')).toBe(3);
  expect(await typesOf('np_folder')).toEqual(TYPES);
  expect(await cronOf('np_folder')).toBe('0 2 * * *');
});

test('a file that is uploaded becomes a typed table on a schedule', async ({ admin: page }) => {
  const watch = await open(page);
  await watch.click('radio', 'Upload');
  await watch.file('np_upload.csv', CSV);
  await watch.shown('007');
  await expect(page.getByText('is in the inbox of np_upload')).toBeVisible();
  await watch.choose('When it runs', '0 * * * *');
  await watch.click('button', 'Keep these types');
  await watch.finish();
  expect(await rows('np_upload')).toBe(3);
  expect(await typesOf('np_upload')).toEqual(TYPES);
  expect(await cronOf('np_upload')).toBe('0 * * * *');
});

test.describe('from a server', () => {
  let server: Server;
  const address = () => `127.0.0.1:${(server.address() as AddressInfo).port}`;

  test.beforeAll(async () => {
    server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
      if (pathname === '/np_web.csv') {
        response.setHeader('content-type', 'text/csv');
        response.setHeader('last-modified', 'Thu, 01 Jan 2026 00:00:00 GMT');
        response.end(CSV);
      } else if (pathname === '/v1/np_api') {
        const after = Number(searchParams.get('after') ?? 0);
        const ids = Array.from({ length: 25 }, (_, index) => index + 1).slice(after, after + 10);
        const results = ids.map((id) => ({ id, name: `row ${id}`, price: id + 0.5 }));
        const paging = after + 10 < 25 ? { next: { after: String(after + 10) } } : undefined;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ results, paging }));
      } else if (pathname.startsWith('/np-bucket')) {
        bucket(pathname, response);
      } else {
        response.statusCode = 404;
        response.end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  test.afterAll(() => server.close());

  test('a file on the web becomes a typed table on a schedule', async ({ admin: page }) => {
    const watch = await open(page);
    await watch.click('radio', 'Web file');
    await page.getByLabel('Address of the file').fill(`http://${address()}/np_web.csv`);
    await watch.click('button', 'Preview');
    await watch.shown('007');
    await watch.choose('When it runs', '0 2 * * *');
    await watch.click('button', 'Keep these types');
    await watch.finish();
    expect(await rows('np_web')).toBe(3);
    expect(await typesOf('np_web')).toEqual(TYPES);
    expect(await cronOf('np_web')).toBe('0 2 * * *');
  });

  test('all pages of an API become a table with a key', async ({ admin: page }) => {
    const watch = await open(page);
    await watch.click('radio', 'HTTP API');
    await page.getByLabel('Address of the rows').fill(`http://${address()}/v1/np_api`);
    await watch.click('button', 'Preview');
    await watch.shown('row 10');
    await watch.click('button', 'Use what was found');
    await watch.choose('When it runs', '*/15 * * * *');
    await watch.finish();
    expect(await rows('np_api')).toBe(25);
    expect(await typesOf('np_api')).toMatchObject({ id: 'bigint', name: 'text' });
    expect(await cronOf('np_api')).toBe('*/15 * * * *');
  });

  test('objects of a bucket become a typed table on a schedule', async ({ admin: page }) => {
    const watch = await open(page);
    await watch.click('radio', 'Bucket');
    await page.getByLabel('Address of the objects').fill('s3://np-bucket/np_bucket/*.csv');
    await page.getByLabel('Other server', { exact: true }).fill(`http://${address()}`);
    await watch.choose('Access', 'anonymous');
    await page.getByLabel('The other server may be without encryption').press('Space');
    await watch.click('button', 'Preview');
    await watch.shown('007');
    await watch.choose('When it runs', '0 2 * * *');
    await watch.finish();
    expect(await rows('np_bucket')).toBe(3);
    expect(await typesOf('np_bucket')).toEqual(TYPES);
  });
});

/** Answers as a bucket with one object does. */
function bucket(pathname: string, response: import('node:http').ServerResponse): void {
  const head = '<?xml version="1.0" encoding="UTF-8"?>';
  if (pathname === '/np-bucket/np_bucket/a.csv') {
    response.setHeader('etag', '"a1"');
    response.setHeader('last-modified', 'Thu, 01 Jan 2026 00:00:00 GMT');
    response.end(CSV);
    return;
  }
  const object =
    `<Contents><Key>np_bucket/a.csv</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>` +
    `<ETag>"a1"</ETag><Size>${CSV.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
  response.setHeader('content-type', 'application/xml');
  response.end(
    `${head}<ListBucketResult><Name>np-bucket</Name><Prefix>np_bucket/</Prefix><KeyCount>1</KeyCount>` +
      `<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${object}</ListBucketResult>`,
  );
}

test('columns get names, keys, rules and masks by clicking, and a plan shows the table', async ({
  admin: page,
}) => {
  const folder = put('np_contract/a.csv', 'Kunden: Nr.,email\n1,ann@example.com\n2,\n');
  await open(page);
  await page.getByLabel('Folder, file or pattern').fill(folder);
  await page.getByRole('button', { name: 'Preview' }).click();
  const name = page.getByLabel('Name of Kunden: Nr. in the table');
  await name.fill('customer');
  await name.blur();
  await page.getByLabel('Kunden: Nr. must have a value').check();
  await page.getByLabel('Kunden: Nr. is part of the key').check();
  await page.getByLabel('Values of email').selectOption('redact');
  await expect(yaml(page)).toContainText('"Kunden: Nr.": customer');
  await expect(yaml(page)).toContainText('customer: { type: bigint, nullable: false }');
  await expect(yaml(page)).toContainText('key: [customer]');
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Result' })).toContainText('2 new');
  await expectAccessible(page, 'new pipeline with a plan');
  await page.getByLabel('When it runs').selectOption('once');
  await page.getByRole('button', { name: 'Save and run' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\//);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('Clean', { exact: true }).first()).toBeVisible();
  expect(await sql('select customer, email from np_contract order by 1')).toEqual([
    { customer: '1', email: '***' },
    { customer: '2', email: null },
  ]);
});

test('forms and YAML say the same, and comments and unknown keys stay', async ({ admin: page }) => {
  await open(page);
  await writeYaml(
    page,
    '# mine\nname: np_both # why\nsources:\n  - type: local\n    path: /a\n    x_unknown: 1\ntarget: { table: np_both }\n',
  );
  const path = page.getByLabel('Folder, file or pattern');
  await expect(path).toHaveValue('/a');
  await path.fill('/b: c');
  await expect(yaml(page)).toContainText('path: "/b: c"');
  await page.getByLabel('Table', { exact: true }).fill('other');
  await expect(yaml(page)).toContainText('target: { table: other }');
  for (const kept of ['# mine', 'name: np_both # why', 'x_unknown: 1'])
    await expect(yaml(page)).toContainText(kept);
  await page.reload();
  await expect(path).toHaveValue('/b: c');
  await expect(page.getByText('This is your draft')).toBeVisible();

  await writeYaml(page, 'name: np_both\nsources:\n  - type: local\n    path: [\n');
  await expect(page.getByText('The forms wait')).toBeVisible();
  await expect(page.getByLabel('Table', { exact: true })).toBeDisabled();
  await expectAccessible(page, 'new pipeline with a broken YAML');
  await page.getByRole('button', { name: /^Line \d+ in the YAML/ }).click();
  await expect(yaml(page)).toBeFocused();
});

test('an SFTP server takes its password from the stored secrets', async ({ admin: page }) => {
  await call('PUT', '/secrets/np-sftp', { value: 'canary-sftp-password', pipelines: ['np_sftp'] });
  const watch = await open(page);
  await watch.click('radio', 'SFTP');
  await page.getByLabel('Host', { exact: true }).fill('127.0.0.1');
  await page.getByLabel('Port', { exact: true }).fill('1');
  await page.getByLabel('Account', { exact: true }).fill('feed');
  await page.getByLabel('Folder, file or pattern').fill('/out/np_sftp/*.csv');
  await watch.choose('Password', 'np-sftp');
  await expect(yaml(page)).toContainText('password: ${secret:np-sftp}');
  await expect(yaml(page)).toContainText('port: 1');
  await expect(page.getByLabel('Table', { exact: true })).toHaveValue('np_sftp');
  await watch.click('button', 'Preview');
  // Nothing listens there, and the preview says so with what to do.
  await expect(page.getByRole('region', { name: /Preview of source 1/ })).toContainText('127.0.0.1');
  await watch.choose('When it runs', '0 2 * * *');
  await watch.click('button', 'Save');
  await expect(page.getByText('Its schedule is active from now on.')).toBeVisible();
  watch.expectInLimits();
  await expect(page).toHaveURL(/\/ui\/pipelines/);
  expect(await cronOf('np_sftp')).toBe('0 2 * * *');
  expect(await page.content()).not.toContain('canary-sftp-password');
  await call('DELETE', '/secrets/np-sftp?force=true');
});

test('the page is usable with every kind of source, on a phone and in the dark', async ({ admin: page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await open(page);
  for (const kind of ['Folder', 'Upload', 'SFTP', 'Web file', 'HTTP API', 'Bucket']) {
    await page.getByRole('radio', { name: kind }).check();
    await expectAccessible(page, `new pipeline from ${kind}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(over, kind).toBeLessThanOrEqual(0);
  }
});
