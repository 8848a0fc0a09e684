import { RetriedRuns } from '../core/api/models';
import { hasRest, requestOf, retryWords, startFields } from './retry-request';

function answer(retried: number, skipped: string[] = [], more = false): RetriedRuns {
  return {
    retried: Array.from({ length: retried }, (_, at) => ({
      run_id: String(at),
      name: 'people',
      kind: 'run',
    })),
    skipped: skipped.map((code, at) => ({ run_id: `s${at}`, name: 'people', code, reason: 'a reason' })),
    more,
  };
}

describe('the request to retry failed runs', () => {
  it('starts with the last 24 hours and the pipeline of the list', () => {
    const now = new Date(2026, 10, 29, 9, 5).getTime();
    expect(startFields(now, 'people')).toEqual({ since: '2026-11-28T09:05', pipeline: 'people', code: '' });
    expect(startFields(now, undefined).pipeline).toBe('');
  });

  it('names only what was filled in', () => {
    const fields = { since: '2026-11-28T09:05', pipeline: ' ', code: ' target_unreachable ' };
    const since = new Date(2026, 10, 28, 9, 5).toISOString();
    expect(requestOf(fields, true)).toEqual({ since, dry_run: true, limit: 500, code: 'target_unreachable' });
    expect(requestOf({ ...fields, since: '' }, true)).toBeUndefined();
  });
});

describe('the words about a retry', () => {
  it('say how many runs are retried, and how many are left alone and why', () => {
    expect(retryWords(answer(0), false)).toEqual(['No failed run matches.']);
    expect(retryWords(answer(1), false)).toEqual(['1 failed run can be retried.']);
    expect(retryWords(answer(2), true)).toEqual(['2 failed runs were queued again as new runs.']);
    expect(retryWords(answer(0, ['already_retried']), false)).toEqual([
      'There is nothing to retry.',
      '1 run was retried before: left alone.',
    ]);
    expect(retryWords(answer(1, ['already_retried', 'already_retried', 'already_undone']), true)).toEqual([
      '1 failed run was queued again as a new run.',
      '2 runs were retried before, and 1 run was undone before: left alone.',
    ]);
  });

  it('say that more match only when the same request would retry them', () => {
    expect(hasRest(answer(500, [], true))).toBe(true);
    expect(retryWords(answer(500, [], true), false)).toContain(
      'More failed runs match. The oldest are retried first.',
    );
    expect(hasRest(answer(3, ['already_retried'], true))).toBe(false);
    expect(retryWords(answer(3, ['already_retried'], true), true)[1]).toContain('At least 1 run');
  });
});
