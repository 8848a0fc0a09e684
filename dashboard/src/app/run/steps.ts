import { Run } from '../core/api/models';
import { isOver } from '../runs/run-words';
import { Step, readReport } from './report';

const STAGES = ['extract', 'validate', 'load'] as const;
const LABELS = { extract: 'Extract', validate: 'Validate', load: 'Load' } as const;

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
  // A run that ended in the queue has seen no stage.
  const seen = run.started_at || !isOver(run) ? stages : [];
  return [queued, ...seen, end];
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
