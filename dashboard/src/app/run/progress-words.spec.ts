import { RunProgress } from '../core/api/models';
import { doingWords, farWords, leftMs, shareOf } from './progress-words';

const BEGUN: RunProgress = {
  stage: 'load',
  files: 1,
  files_done: 0,
  file: 'a.csv',
  rows_read: 0,
  bytes_read: 0,
  rows_sent: 0,
  seconds: 40,
};

describe('progress', () => {
  it('has a percentage of rows, else of bytes, else of several files', () => {
    expect(shareOf(BEGUN)).toBeUndefined();
    expect(shareOf({ ...BEGUN, files: 4, files_done: 1 })).toBe(0.25);
    expect(shareOf({ ...BEGUN, bytes_read: 30, bytes_total: 60 })).toBe(0.5);
    expect(shareOf({ ...BEGUN, rows_read: 3, rows_total: 4, bytes_total: 60 })).toBe(0.75);
    expect(shareOf({ ...BEGUN, rows_read: 9, rows_total: 4 })).toBe(1);
  });

  it('says how fast it is and how long it takes', () => {
    const half = { ...BEGUN, rows_read: 500, rows_total: 1000, stage_seconds: 10 };
    expect(doingWords(half)).toBe('Loading the rows: 50%');
    expect(farWords(half)).toEqual([
      '0 of 1 file',
      '500 of 1,000 rows',
      '50 rows per second',
      'about 10.0 s left in this step',
      'a.csv',
    ]);
  });

  it('does not guess at the beginning, and never says 100% before the end', () => {
    expect(leftMs({ ...BEGUN, rows_read: 500, rows_total: 1000, stage_seconds: 1 })).toBeUndefined();
    expect(leftMs({ ...BEGUN, rows_read: 1, rows_total: 1000, stage_seconds: 60 })).toBeUndefined();
    expect(doingWords({ ...BEGUN, rows_read: 9_999, rows_total: 10_000 })).toBe('Loading the rows: 99%');
  });

  it('counts the pages of an API, whose number is not known', () => {
    const pages = {
      ...BEGUN,
      stage: 'extract' as const,
      files: 0,
      files_done: 12,
      rows_read: 1200,
      file: null,
    };
    expect(doingWords(pages)).toBe('Reading the sources…');
    expect(farWords(pages)).toEqual(['12 files or pages', '1,200 rows']);
  });
});
