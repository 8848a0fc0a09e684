import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import pg from 'pg';

import { dataDir } from './server';

/** Asks the target database itself, past the API. */
export async function sql(text: string): Promise<Record<string, string>[]> {
  const folder = join(dataDir(), 'postgres');
  const passwords = JSON.parse(readFileSync(join(folder, 'passwords.json'), 'utf8')) as { target: string };
  const client = new pg.Client({
    host: '127.0.0.1',
    port: Number(readFileSync(join(folder, 'port'), 'utf8')),
    user: 'elt_target',
    password: passwords.target,
    database: 'elt_db',
  });
  await client.connect();
  try {
    return (await client.query<Record<string, string>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** How many rows a query finds. */
export async function rows(from: string): Promise<number> {
  const [row] = await sql(`select count(*) as n from ${from}`);
  return Number(row?.['n']);
}
