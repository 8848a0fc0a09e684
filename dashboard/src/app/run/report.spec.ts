import { dialectWords, driftWords, readReport, reasonWords } from './report';

describe('the report of a run', () => {
  it('is whole, whichever release wrote it', () => {
    const old = readReport({
      rows_read: 3,
      combined_csv: null,
      stages: { load: 1.5 },
      left_out: [{ name: 'a.pdf', reason: 'another suffix', kind: 'skipped' }],
      files: [{ name: 'b.csv' }],
    });
    expect(old).toMatchObject({ rows_read: 3, left_out_total: 1, files_total: 1, partial: false });
    expect(old?.stages).toEqual({ extract: 0, validate: 0, load: 1.5, check: 0, transform: 0 });
    expect(old?.files[0]).toMatchObject({ name: 'b.csv', rows_read: 0, delimiter: null });
    expect(readReport(null)).toBeUndefined();
  });

  it('counts the reasons that are not listed too', () => {
    const rejections = {
      total: 140,
      reasons: [
        { code: 'wrong_type', column: 'amount', rows: 131 },
        { code: 'unreadable', column: null, rows: 1 },
      ],
      places: [],
    };
    expect(reasonWords(rejections)).toEqual([
      'wrong type in amount: 131 rows',
      'unreadable: 1 row',
      'other reasons: 8 rows',
    ]);
  });

  it('says what changed', () => {
    expect(driftWords({ change: 'widened', column: 'id', from: 'integer', to: 'int64' })).toBe(
      'id was widened from integer to int64.',
    );
    expect(driftWords({ change: 'added', column: 'city', type: 'text' })).toBe(
      'city is new and was added as text.',
    );
    expect(driftWords({ change: 'narrowed', column: 'id' } as never)).toBe('id: narrowed.');
  });

  it('says how a file was read that is not an ordinary CSV', () => {
    // Characters come as they would be written in a config.
    const dialect = { encoding: 'utf-8', quote: '"\\""', header_line: 1 };
    expect(dialectWords({ delimiter: '","', dialect })).toBe('');
    expect(dialectWords({ delimiter: null, dialect: null })).toBe('');
    const odd = { encoding: 'windows-1252', quote: 'none', header_line: 4, skipped_lines: 3, decimal: ',' };
    expect(dialectWords({ delimiter: '";"', dialect: odd })).toBe(
      'delimiter ;, encoding windows-1252, no quotes, header in line 4, 3 lines above it skipped, decimal separator ,',
    );
    expect(dialectWords({ delimiter: '"\\t"', dialect: { ...dialect, header_line: null } })).toBe(
      'delimiter tab, no header',
    );
  });
});
