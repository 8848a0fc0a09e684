import { driftWords, readReport, reasonWords } from './report';

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
      'wrong_type in amount: 131 rows',
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
});
