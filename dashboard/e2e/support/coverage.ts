import { call } from './api';

interface Summary {
  covered_lines: number;
  num_statements: number;
  missing_lines: number;
  percent_covered: number;
  percent_covered_display: string;
}

function summary(covered: number, statements: number): Summary {
  const percent = (covered / statements) * 100;
  return {
    covered_lines: covered,
    num_statements: statements,
    missing_lines: statements - covered,
    percent_covered: percent,
    percent_covered_display: String(Math.round(percent)),
  };
}

/** Lines of the imported reports. */
export const LINES = 220;

/** Imports a report of two files, with this number of covered lines. */
export async function importCoverage(covered: number): Promise<void> {
  await call('POST', '/coverage-report?commit=abc123', {
    meta: { version: '7' },
    totals: summary(covered, LINES),
    files: {
      'worker/src/load.rs': { summary: summary(150, 160) },
      'api/src/auth.rs': { summary: summary(40, 60) },
    },
  });
}
