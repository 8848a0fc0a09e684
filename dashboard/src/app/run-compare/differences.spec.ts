import { Run } from '../core/api/models';
import { readReport } from '../run/report';
import { columnsOf, factsOf, filesOf, timesOf } from './differences';

const AT = '2026-11-25T10:00:00Z';

function run(more: Partial<Run>): Run {
  return {
    kind: 'run',
    state: 'succeeded',
    outcome: 'clean',
    trigger: 'manual',
    created_by: 'ann',
    target_table: 'people',
    config_id: 1,
    created_at: AT,
    ...more,
  } as Run;
}

function report(more: Parameters<typeof readReport>[0]): NonNullable<ReturnType<typeof readReport>> {
  const read = readReport(more);
  if (read === undefined) throw new Error('there is a report');
  return read;
}

describe('the differences of two runs', () => {
  it('are marked, and what is alike is not', () => {
    const failed = run({ state: 'failed', outcome: null, error_code: 'load_failed', config_id: 2 });
    const facts = factsOf(run({ rows_read: 1200 }), failed);
    expect(facts.filter((fact) => fact.differs).map(({ label, a, b }) => [label, a, b])).toEqual([
      ['State', 'clean', 'failed'],
      ['Error', '–', 'load_failed'],
      ['Config', '1', '2'],
      ['Rows read', '1,200', '–'],
    ]);
  });

  it('begin with the columns that are new, gone or of another type', () => {
    const column = (name: string, type: string): never => ({ name, type }) as never;
    const a = report({ columns: [column('id', 'bigint'), column('old', 'text'), column('at', 'date')] });
    const b = report({ columns: [column('id', 'bigint'), column('at', 'text'), column('new', 'text')] });
    expect(columnsOf(a, b).map(({ label, a: one, b: other }) => [label, one, other])).toEqual([
      ['old', 'text', 'not there'],
      ['at', 'date', 'text'],
      ['new', 'not there', 'text'],
      ['id', 'bigint', 'bigint'],
    ]);
  });

  it('tell the files and the times', () => {
    const file = (name: string, rows: number): never => ({ name, rows_read: rows, bytes: 10 }) as never;
    const a = report({ files: [file('a.csv', 1)] });
    const b = report({ files: [file('a.csv', 2)] });
    expect(filesOf(a, b)).toEqual([{ label: 'a.csv', a: '1 rows, 10 B', b: '2 rows, 10 B', differs: true }]);
    const [waited, ran] = timesOf(
      { run: run({ started_at: '2026-11-25T10:00:02Z', finished_at: '2026-11-25T10:00:05Z' }) },
      { run: run({}) },
      Date.parse(AT),
    );
    expect([waited?.a, waited?.b, ran?.a]).toEqual(['2.0 s', '–', '3.0 s']);
  });
});
