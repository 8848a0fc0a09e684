import { Run } from '../core/api/models';
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
    options: {},
    attempt: 1,
    epoch: 1,
    max_attempts: 3,
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
    expect(told(run({ stage: 'load' }))).toEqual([
      'Queued done',
      'Extract done',
      'Validate done',
      'Load failed',
      'Failed failed',
    ]);
  });

  it('are none of the stages when it ended in the queue', () => {
    expect(told(run({ state: 'stopped', started_at: null }))).toEqual(['Queued failed', 'Stopped failed']);
  });

  it('are one for a kind without stages', () => {
    expect(told(run({ kind: 'undo' }))).toEqual(['Queued done', 'Undo failed', 'Failed failed']);
    expect(told(run({ kind: 'test_connection', state: 'running' }))).toContain('Connection test now');
  });
});
