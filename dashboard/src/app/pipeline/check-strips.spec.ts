import { CheckResult, Run } from '../core/api/models';
import { markWords, stripsOf } from './check-strips';

function run(id: string, checks?: CheckResult[]): Run {
  return { id, created_at: `at ${id}`, report: checks && { checks } } as Run;
}

describe('the checks of the newest runs', () => {
  // The newest first, as the server lists them.
  const runs = [
    run('4', [{ name: 'unique(id)', state: 'failed', rows: 2 }, { name: 'not_null(id)' }]),
    run('3'),
    run('2', [
      { name: 'unique(id)', state: 'passed' },
      { name: 'range(amount)', state: 'quarantined', rows: 1 },
    ]),
    run('1', [{ name: 'unique(id)', state: 'passed' }]),
  ];

  it('are a strip for each check, the oldest run first, with how many runs had which result', () => {
    const strips = stripsOf(runs);
    expect(strips.map(({ name, words }) => [name, words])).toEqual([
      ['unique(id)', '2 passed, 1 failed, 1 not run'],
      ['not_null(id)', '1 passed, 3 not run'],
      ['range(amount)', '1 quarantined, 3 not run'],
    ]);
    expect(strips[0]?.marks.map(({ run: id, state, rows }) => [id, state, rows])).toEqual([
      ['1', 'passed', 0],
      ['2', 'passed', 0],
      ['3', undefined, 0],
      ['4', 'failed', 2],
    ]);
  });

  it('say the result and the number of rows in words', () => {
    const marks = stripsOf(runs).flatMap((strip) => strip.marks.slice(-3).map(markWords));
    expect(marks.slice(0, 3)).toEqual(['Passed', 'Not run', 'Failed, 2 rows']);
    expect(stripsOf(runs)[2]?.marks.map(markWords)).toContain('Quarantined, 1 row');
  });

  it('have no strip when no run has a check', () => {
    expect(stripsOf([run('1'), run('2', [])])).toEqual([]);
  });
});
