import { readFileSync } from 'node:fs';

import { Rejections, driftWords, readReport, reasonWords } from './report';

/** Names of the members of a struct that workers write, as they are in the JSON. */
function membersOf(struct: string): string[] {
  const source = readFileSync('../shared/src/runs/report.rs', 'utf8');
  const body = new RegExp(`pub struct ${struct} \\{([^]*?)\\n\\}`).exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {4}pub (\w+):/gm)].map((found) => found[1] ?? '');
}

describe('the report of a run', () => {
  it('has every member that workers write', () => {
    const members = membersOf('RunReport');
    expect(members.length).toBeGreaterThan(15);
    expect(Object.keys(readReport({}) ?? {}).sort()).toEqual(members.sort());
    expect(Object.keys(readReport({})?.stages ?? {}).sort()).toEqual(membersOf('Stages').sort());
  });

  it('is whole, whichever release wrote it', () => {
    const old = readReport({
      rows_read: 3,
      combined_csv: null,
      stages: { load: 1.5 },
      left_out: [{ name: 'a.pdf', reason: 'another suffix' }],
    });
    expect(old).toMatchObject({ rows_read: 3, left_out_total: 1, files_total: 0, partial: false });
    expect(old?.stages).toEqual({ extract: 0, validate: 0, load: 1.5, transform: 0 });
    expect(readReport(null)).toBeUndefined();
  });

  it('counts the reasons that are not listed too', () => {
    const rejections: Rejections = {
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
    expect(driftWords({ change: 'added', column: 'city' })).toBe(
      'city is new and was added as another type.',
    );
  });
});
