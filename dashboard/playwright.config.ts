import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { defineConfig } from '@playwright/test';

import { ADDRESS } from './e2e/support/server';

// Read by the server and by the tests, which put their input files in there.
process.env['ELT_E2E_DATA'] ??= makeDataDir();

function makeDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'elt-e2e-'));
  // Started by root, the private PostgreSQL runs under another account, which has to get in.
  chmodSync(dir, 0o711);
  return dir;
}

export default defineConfig({
  testDir: './e2e',
  testMatch: '**/*.e2e.ts',
  globalSetup: './e2e/support/setup.ts',
  outputDir: './test-results',
  // The stories share one installation, as people do.
  workers: 1,
  fullyParallel: false,
  forbidOnly: !!process.env['CI'],
  retries: 0,
  // Generous: what takes a second on a quiet machine may take long on a busy one.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  use: {
    baseURL: ADDRESS,
    viewport: { width: 1360, height: 900 },
    timezoneId: 'Europe/Berlin',
    locale: 'en-US',
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--disable-background-networking',
      ],
    },
  },
  webServer: {
    command: 'node e2e/support/serve.mjs',
    url: `${ADDRESS}/readyz`,
    timeout: 120_000,
    gracefulShutdown: { signal: 'SIGTERM', timeout: 20_000 },
    stdout: 'pipe',
    stderr: 'pipe',
  },
});
