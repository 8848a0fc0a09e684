import { Run } from '../core/api/models';
import { isOver, kindWord } from '../runs/run-words';
import { Step, readReport } from './report';

const STAGES = ['extract', 'validate', 'load'] as const;
const LABELS = { extract: 'Extract', validate: 'Validate', load: 'Load' } as const;

/** Kinds of run that go through the stages; the others are one step. */
const STAGED = new Set(['run', 'plan', 'replay']);

/** Where a run is on its way: queued, extract, validate, load. */
export function stepsOf(run: Run): Step[] {
  const report = readReport(run.report);
  const waited = run.started_at ? Date.parse(run.started_at) - Date.parse(run.created_at) : undefined;
  const queued: Step = { label: 'Queued', state: run.started_at ? 'done' : stateOf(run), took: waited };
  const at = STAGES.findIndex((stage) => stage === run.stage);
  const stages = STAGES.map((stage, index): Step => {
    const took = report === undefined ? undefined : report.stages[stage] * 1000;
    if (run.state === 'succeeded') return { label: LABELS[stage], state: 'done', took };
    if (at !== -1) {
      const here = run.state === 'running' ? 'now' : 'failed';
      return { label: LABELS[stage], state: index < at ? 'done' : index === at ? here : 'ahead' };
    }
    return { label: LABELS[stage], state: 'ahead', took: took || undefined };
  });
  const end: Step = { label: endWord(run), state: endState(run) };
  return [queued, ...worked(run, stages), end];
}

/** What it went through: nothing when it ended in the queue, one step when its kind has no stages. */
function worked(run: Run, stages: Step[]): Step[] {
  if (!run.started_at && isOver(run)) return [];
  if (STAGED.has(run.kind)) return stages;
  const state = run.state === 'running' ? 'now' : endState(run);
  return [{ label: kindWord(run.kind), state }];
}

function stateOf(run: Run): Step['state'] {
  return isOver(run) ? 'failed' : 'now';
}

function endWord(run: Run): string {
  if (run.state === 'failed') return 'Failed';
  return run.state === 'stopped' ? 'Stopped' : 'Done';
}

function endState(run: Run): Step['state'] {
  if (run.state === 'succeeded') return 'done';
  return run.state === 'failed' || run.state === 'stopped' ? 'failed' : 'ahead';
}
