import { PipelineView, RecentRun } from '../core/api/models';
import { freshnessWords, healthOf, marksOf, outcomeWords, rowBars, rowWords } from './recent-runs';

function run(state: RecentRun['state'], outcome?: RecentRun['outcome'], rows?: number): RecentRun {
  return {
    id: `${state}${outcome}`,
    state,
    outcome,
    rows_inserted: rows,
    created_at: '2026-11-25T10:00:00Z',
  };
}

function pipeline(more: Partial<PipelineView> = {}): PipelineView {
  return {
    name: 'people',
    config_id: 1,
    version: 1,
    uploaded_at: '2026-11-25T10:00:00Z',
    uploaded_by: 'ann',
    runnable: true,
    priority: 'normal',
    loaded_at: '2026-11-25T10:00:00Z',
    recent_runs: [],
    ...more,
  };
}

describe('recent runs', () => {
  const runs = [
    run('succeeded', 'clean', 10),
    run('succeeded', 'clean', 1200),
    run('succeeded', 'with_warnings', 3),
    run('succeeded', 'nothing_loaded', 0),
    run('failed'),
    run('stopped'),
    run('running'),
  ];

  it('have a shape for each outcome', () => {
    const shapes = marksOf(runs).map((mark) => mark.shape);
    expect(shapes).toEqual(['full', 'full', 'split', 'hollow', 'cross', 'low', 'dot']);
  });

  it('are counted in words', () => {
    expect(outcomeWords(runs)).toBe(
      '2 clean, 1 with warnings, 1 nothing loaded, 1 failed, 1 stopped, 1 running',
    );
    expect(outcomeWords([])).toBe('');
  });

  it('show their new rows', () => {
    expect(rowBars(runs.slice(0, 2)).map((bar) => bar.value)).toEqual([10, 1200]);
    expect(rowWords(runs.slice(0, 2))).toBe('New rows of the last 2 runs, the oldest first: 10, 1,200');
  });
});

describe('the health of a pipeline', () => {
  const last = { id: 'a', created_at: '2026-11-25T10:00:00Z' };

  it('is the worst of what is known', () => {
    expect(healthOf(pipeline()).label).toBe('Healthy');
    expect(healthOf(pipeline({ loaded_at: null })).label).toBe('Not loaded yet');
    expect(healthOf(pipeline({ stale: true })).label).toBe('Stale');
    expect(healthOf(pipeline({ stale: true, last_run: { ...last, state: 'failed' } })).label).toBe('Failing');
    expect(healthOf(pipeline({ runnable: false, stale: true })).label).toBe('Cannot run');
  });

  it('has the words of the limit in its config', () => {
    expect(freshnessWords({ freshness_seconds: 93_600 })).toBe('at most 26 h old');
    expect(freshnessWords({})).toBeUndefined();
  });
});
