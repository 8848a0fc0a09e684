import { Run } from '../core/api/models';
import {
  canRetry,
  canStop,
  canVerify,
  intoWords,
  kindWord,
  lossWords,
  nextTry,
  shownState,
  silentSince,
  toneOf,
  tookMs,
  waitLine,
  whyWaiting,
} from './run-words';

function run(change: Partial<Run>): Run {
  return {
    id: '0199',
    kind: 'run',
    config_id: 1,
    name: 'people',
    target_table: 'people',
    trigger: 'manual',
    state: 'queued',
    queue: 'elt',
    priority: 'normal',
    options: {},
    attempt: 0,
    epoch: 0,
    max_attempts: 3,
    outages: 0,
    created_by: 'ann',
    created_at: '2026-11-25T10:00:00Z',
    ...change,
  };
}

describe('run words', () => {
  it('stops what goes on, once, and retries what did not work out', () => {
    expect(canStop(run({ state: 'running' }))).toBe(true);
    expect(canStop(run({ state: 'running', stop_requested_at: '2026-11-25T10:00:00Z' }))).toBe(false);
    expect(canStop(run({ state: 'failed' }))).toBe(false);
    expect(canRetry(run({ state: 'failed' }))).toBe(true);
    expect(canRetry(run({ state: 'succeeded' }))).toBe(false);
  });

  it('repeats a run with several tables as a whole, and verifies each table by itself', () => {
    expect(canRetry(run({ state: 'failed', part_of: '0198' }))).toBe(false);
    expect(canVerify(run({ state: 'succeeded', part_of: '0198' }))).toBe(true);
    expect(canVerify(run({ state: 'succeeded', report: { tables: [{ table: 'raw_a' }] } }))).toBe(false);
    expect(intoWords('raw_{file}')).toBe('a table for each file, raw_{file}');
    expect(intoWords('people')).toBe('people');
  });

  it('measures from the first start', () => {
    const started_at = '2026-11-25T10:00:05Z';
    expect(tookMs(run({}))).toBeUndefined();
    expect(tookMs(run({ started_at, finished_at: '2026-11-25T10:00:07Z' }))).toBe(2000);
    expect(tookMs(run({ started_at }), Date.parse('2026-11-25T10:00:06Z'))).toBe(1000);
  });

  it('tells waiting and stopping apart from queued and running', () => {
    const now = Date.parse('2026-11-25T10:00:00Z');
    expect(shownState(run({}), now)).toBe('queued');
    expect(shownState(run({ not_before: '2026-11-25T11:00:00Z' }), now)).toBe('waiting');
    expect(shownState(run({ waits_for: 'run 7' }), now)).toBe('waiting');
    expect(shownState(run({ state: 'running', stop_requested_at: '2026-11-25T10:00:00Z' }), now)).toBe(
      'stopping',
    );
  });

  it('says why a run waits', () => {
    const now = Date.parse('2026-11-25T10:00:00Z');
    expect(whyWaiting(run({ state: 'running' }), 1, now)).toBeUndefined();
    expect(whyWaiting(run({ waits_for: 'run 7, which loads into people' }), 0, now)).toBe(
      'It waits for run 7, which loads into people.',
    );
    expect(whyWaiting(run({ not_before: '2026-11-25T11:00:00Z' }), 0, now)).toContain('start time');
    expect(whyWaiting(run({}), 0, now)).toContain('No worker is alive');
    expect(whyWaiting(run({}), 2, now)).toBe('It waits for a worker to take it.');
  });

  it('says what ends a pause, but names the target while it is unknown whether the run loaded', () => {
    const pause = 'the pipeline people, which ann paused at 2026-11-25 09:00 UTC (rebuilding)';
    const paused = run({ held: 'paused', waits_for: pause });
    expect(whyWaiting(paused, 1, 0)).toBe(`It is paused. It starts once someone resumes ${pause}.`);
    expect(waitLine(paused)).toBe(`Starts once someone resumes ${pause}`);
    const unknown = run({ held: 'paused', unknown_since: '2026-11-25T09:00:00Z', waits_for: 'the target' });
    expect(whyWaiting(unknown, 1, 0)).toBe('It waits for the target.');
    const limited = run({ held: 'pipeline_limit', waits_for: 'another run to end' });
    expect(waitLine(limited)).toBe('Waits for another run to end');
    expect(waitLine(run({ state: 'failed', waits_for: 'another run to end' }))).toBeUndefined();
  });

  it('knows when a queued run tries again', () => {
    const now = Date.parse('2026-11-25T10:00:00Z');
    const waiting = (next_at: string | null): Run =>
      run({ waiting: { for: 'target db:5432/shop', since: '2026-11-25T09:00:00Z', next_at } });
    expect(nextTry(waiting('2026-11-25T10:02:00Z'), now)).toEqual({ at: '2026-11-25T10:02:00Z' });
    expect(nextTry(waiting('2026-11-25T09:59:59Z'), now)).toBe('soon');
    expect(nextTry(waiting(null), now)).toBeUndefined();
    expect(nextTry({ ...waiting('2026-11-25T10:02:00Z'), state: 'running' }, now)).toBeUndefined();
  });

  it('says since when a run at work shows no progress', () => {
    const silent_since = '2026-11-25T09:30:00Z';
    expect(silentSince(run({ state: 'running', silent_since }))).toBe(silent_since);
    expect(silentSince(run({ state: 'running', silent_since: null }))).toBeUndefined();
    expect(silentSince(run({ state: 'failed', silent_since }))).toBeUndefined();
  });

  it('shows what it does not know as it is', () => {
    expect(kindWord('plan')).toBe('Plan');
    expect(kindWord('new_kind')).toBe('new_kind');
  });

  it('say what came of a run that succeeded, by its kind', () => {
    const seen = (change: Partial<Run>): string => shownState(run({ state: 'succeeded', ...change }));
    expect(seen({ outcome: 'clean' })).toBe('clean');
    expect(seen({})).toBe('succeeded');
    expect(seen({ outcome: 'with_warnings' })).toBe('with_warnings');
    expect(seen({ outcome: 'nothing_loaded', kind: 'replay' })).toBe('nothing_loaded');
    expect(seen({ outcome: 'nothing_loaded', kind: 'test_connection' })).toBe('nothing_usable');
    expect(toneOf(run({ state: 'succeeded', outcome: 'nothing_loaded' }))).toBe('bad');
    expect(toneOf(run({ state: 'succeeded', outcome: 'with_warnings' }))).toBe('warn');
  });

  it('count what a run lost', () => {
    expect(lossWords(run({}))).toBeUndefined();
    expect(lossWords(run({ rows_quarantined: 248, files_left_out: 1 }))).toBe(
      '248 rows rejected · 1 file skipped',
    );
  });
});
