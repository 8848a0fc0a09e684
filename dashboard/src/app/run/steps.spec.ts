import { Run, RunProgress } from '../core/api/models';
import { stepsOf } from './steps';

function run(change: Partial<Run>): Run {
  return {
    id: '0199',
    kind: 'run',
    config_id: 1,
    name: 'people',
    target_table: 'people',
    trigger: 'manual',
    state: 'failed',
    queue: 'elt',
    priority: 'normal',
    options: {},
    attempt: 1,
    epoch: 1,
    max_attempts: 3,
    outages: 0,
    created_by: 'ann',
    created_at: '2026-11-25T10:00:00Z',
    started_at: '2026-11-25T10:00:01Z',
    ...change,
  };
}

function told(of: Run): string[] {
  return stepsOf(of).map((step) => `${step.label} ${step.state}`);
}

describe('the steps of a run', () => {
  it('mark the stage at which it is, and the one at which it ended', () => {
    const rest = ['Queued done', 'Extract done', 'Validate now', 'Load ahead', 'Done ahead'];
    expect(told(run({ state: 'running', stage: 'validate' }))).toEqual(rest);
    expect(told(run({ stage: 'check' }))).toEqual([
      'Queued done',
      'Extract done',
      'Validate done',
      'Load done',
      'Check failed',
      'Failed failed',
    ]);
    expect(told(run({ stage: 'load' }))).toEqual([
      'Queued done',
      'Extract done',
      'Validate done',
      'Load failed',
      'Failed failed',
    ]);
  });

  it('are none of the stages when it ended in the queue', () => {
    expect(told(run({ state: 'stopped', started_at: null }))).toEqual(['Queued stopped', 'Stopped stopped']);
  });

  it('are those of other runs where each table is loaded by a run of its own', () => {
    const report = { tables: [{ table: 'raw_a', state: 'failed' as const, error: 'no' }] };
    expect(told(run({ state: 'failed', report }))).toEqual(['Queued done', 'Tables failed', 'Failed failed']);
    const done = run({ state: 'succeeded', outcome: 'clean', report: { tables: [{ table: 'raw_a' }] } });
    expect(told(done)).toEqual(['Queued done', 'Tables done', 'Clean done']);
  });

  it('end with what came of the run, not only with its success', () => {
    const ends = (of: Partial<Run>): string[] => told(run({ state: 'succeeded', ...of })).slice(-2);
    expect(ends({ outcome: 'clean' })).toEqual(['Load done', 'Clean done']);
    expect(ends({ outcome: 'with_warnings' })).toEqual(['Load done', 'With warnings warned']);
    expect(ends({ outcome: 'nothing_loaded' })).toEqual(['Load warned', 'Nothing loaded failed']);
    expect(ends({ kind: 'test_connection', outcome: 'nothing_loaded' })).toEqual([
      'Connection test failed',
      'Nothing usable failed',
    ]);
    expect(ends({ kind: 'replay', outcome: 'nothing_loaded' })[1]).toBe('Nothing loaded failed');
  });

  it('blame the target when it did not answer', () => {
    expect(told(run({ stage: 'connect', error_code: 'load_failed' }))).toEqual([
      'Queued done',
      'Connect to the target failed',
      'Extract ahead',
      'Validate ahead',
      'Load ahead',
      'Failed failed',
    ]);
    const progress: RunProgress = {
      stage: 'extract',
      files: 0,
      files_done: 2,
      rows_read: 0,
      bytes_read: 0,
      rows_sent: 0,
      seconds: 1,
    };
    const lost = run({ stage: 'extract', error_code: 'load_failed', progress });
    expect(told(lost).slice(1, 4)).toEqual([
      'Extract done',
      'Connect to the target failed',
      'Validate ahead',
    ]);
    const source = run({ stage: 'extract', error_code: 'source_missing' });
    expect(told(source)[1]).toBe('Extract failed');
    expect(told(run({ state: 'running', stage: 'connect' }))[1]).toBe('Connect to the target now');
  });

  it('are one for a kind without stages', () => {
    expect(told(run({ kind: 'undo' }))).toEqual(['Queued done', 'Undo failed', 'Failed failed']);
    expect(told(run({ kind: 'test_connection', state: 'running' }))).toContain('Connection test now');
  });
});
