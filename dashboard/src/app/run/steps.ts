import { Run, RunKind, Stage } from '../core/api/models';
import { isOver, kindWord, shownState } from '../runs/run-words';
import { Step, readReport } from './report';

const LABELS = {
  extract: 'Extract',
  validate: 'Validate',
  load: 'Load',
  check: 'Check',
} satisfies Partial<Record<Stage, string>>;
const STAGES = ['extract', 'validate', 'load', 'check'] as const satisfies readonly Stage[];
const CONNECT = 'Connect to the target';

/** Kinds of run that have the three stages. The others are one step. */
const STAGED = new Set<RunKind>(['run', 'plan', 'replay']);

/** The steps of a run, such as queued, extract, validate and load, with the state of each. */
export function stepsOf(run: Run): Step[] {
  const waited = run.started_at ? Date.parse(run.started_at) - Date.parse(run.created_at) : undefined;
  const queued: Step = {
    label: 'Queued',
    state: run.started_at ? 'done' : isOver(run) ? endState(run) : 'now',
    took: waited,
  };
  const end: Step = { label: endWord(run), state: endState(run) };
  return [queued, ...worked(run), end];
}

/** The steps between the queue and the end: none for a run that ended in the queue, one for kinds without stages. */
function worked(run: Run): Step[] {
  if (!run.started_at && isOver(run)) return [];
  const state = run.state === 'running' ? 'now' : endState(run);
  // Each table is loaded by a run of its own, which has the stages.
  if (readReport(run.report)?.tables.length) return [{ label: 'Tables', state }];
  if (STAGED.has(run.kind)) return stagesOf(run);
  return [{ label: kindWord(run.kind), state }];
}

function stagesOf(run: Run): Step[] {
  const report = readReport(run.report);
  // Few configs have checks, so the step is shown where it was taken.
  const checked = run.stage === 'check' || (report?.checks.length ?? 0) > 0;
  const shown = STAGES.filter((stage) => stage !== 'check' || checked);
  const took = (stage: (typeof STAGES)[number]): number | undefined =>
    report === undefined || report.partial ? undefined : report.stages[stage] * 1000 || undefined;
  if (run.state === 'succeeded') {
    const nothing = shownState(run).startsWith('nothing_');
    return shown.map((stage) => ({
      label: LABELS[stage],
      state: stage === 'load' && nothing ? 'warned' : 'done',
      took: report?.stages[stage] === undefined ? undefined : report.stages[stage] * 1000,
    }));
  }
  const here = run.state === 'running' ? 'now' : run.state === 'stopped' ? 'stopped' : 'failed';
  const at = shown.findIndex((stage) => stage === run.stage);
  const stages = shown.map((stage, index): Step => {
    const state = at === -1 || index > at ? 'ahead' : index < at ? 'done' : here;
    return { label: LABELS[stage], state, took: at === -1 ? took(stage) : undefined };
  });
  if (run.stage === 'connect') return [{ label: CONNECT, state: here }, ...stages];
  if (run.state === 'failed' && run.stage === 'extract' && isAboutTarget(run))
    return blameTarget(run, stages);
  return stages;
}

/** Shows the failure at a step for the target, because the sources did not cause it. */
function blameTarget(run: Run, stages: Step[]): Step[] {
  const connect: Step = { label: CONNECT, state: 'failed' };
  const [extract, ...later] = stages;
  if (extract === undefined) return [connect];
  const progress = run.progress ?? undefined;
  const extracted = progress !== undefined && (progress.files_done > 0 || progress.rows_read > 0);
  return extracted
    ? [{ ...extract, state: 'done' }, connect, ...later]
    : [connect, { ...extract, state: 'ahead' }, ...later];
}

function isAboutTarget(run: Run): boolean {
  const code = run.error_code ?? '';
  return code === 'load_failed' || code === 'outcome_unknown' || code.startsWith('target_');
}

function endWord(run: Run): string {
  switch (shownState(run)) {
    case 'failed':
      return 'Failed';
    case 'stopped':
      return 'Stopped';
    case 'clean':
      return 'Clean';
    case 'with_warnings':
      return 'With warnings';
    case 'nothing_loaded':
      return 'Nothing loaded';
    case 'nothing_usable':
      return 'Nothing usable';
    default:
      return 'Done';
  }
}

function endState(run: Run): Step['state'] {
  switch (shownState(run)) {
    case 'succeeded':
    case 'clean':
      return 'done';
    case 'with_warnings':
      return 'warned';
    case 'nothing_loaded':
    case 'nothing_usable':
    case 'failed':
      return 'failed';
    // People stop runs on purpose, so a stopped run is not shown as a failure.
    case 'stopped':
      return 'stopped';
    default:
      return 'ahead';
  }
}
