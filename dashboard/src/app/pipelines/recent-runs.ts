import { PipelineView, RecentRun } from '../core/api/models';
import { count, interval } from '../core/format';
import { ShownState, shownState } from '../runs/run-words';
import { Bar } from '../shared/sparkline';

/** How the runs of a strip are drawn: each outcome has a shape of its own, so that outcomes can be distinguished without colour. */
export type Shape = 'full' | 'split' | 'hollow' | 'cross' | 'low' | 'dot';

/** A run in a strip. */
export interface Mark {
  state: ShownState;
  shape: Shape;
  tone: Bar['tone'];
}

const LOOKS: Partial<Record<ShownState, Omit<Mark, 'state'>>> = {
  clean: { shape: 'full', tone: 'good' },
  succeeded: { shape: 'full', tone: 'good' },
  with_warnings: { shape: 'split', tone: 'warn' },
  nothing_loaded: { shape: 'hollow', tone: 'bad' },
  failed: { shape: 'cross', tone: 'bad' },
  stopped: { shape: 'low', tone: 'calm' },
  running: { shape: 'dot', tone: 'live' },
};
const UNFINISHED: Omit<Mark, 'state'> = { shape: 'dot', tone: 'calm' };

/** The states of a strip in the order of its words, and what they are called there. */
const WORDS: readonly (readonly [ShownState, string])[] = [
  ['succeeded', 'succeeded'],
  ['clean', 'clean'],
  ['with_warnings', 'with warnings'],
  ['nothing_loaded', 'nothing loaded'],
  ['failed', 'failed'],
  ['stopped', 'stopped'],
  ['running', 'running'],
  ['queued', 'queued'],
];

function stateOf(run: RecentRun): ShownState {
  return shownState({ ...run, kind: 'run' });
}

/** The marks of runs, in their order. */
export function marksOf(runs: readonly RecentRun[]): Mark[] {
  return runs.map((run) => {
    const state = stateOf(run);
    return { state, ...(LOOKS[state] ?? UNFINISHED) };
  });
}

/** How many runs ended how: `17 clean, 2 with warnings, 1 failed`. */
export function outcomeWords(runs: readonly RecentRun[]): string {
  const states = runs.map(stateOf);
  return WORDS.map(([state, word]) => ({ word, number: states.filter((one) => one === state).length }))
    .filter(({ number }) => number > 0)
    .map(({ word, number }) => `${number} ${word}`)
    .join(', ');
}

/** The new rows of runs as bars, in their order. */
export function rowBars(runs: readonly RecentRun[]): Bar[] {
  return runs.map((run) => ({
    value: run.rows_inserted ?? 0,
    tone: LOOKS[stateOf(run)]?.tone ?? 'calm',
    title: `${count(run.rows_inserted)} new rows`,
  }));
}

/** The new rows of runs in words: `New rows of the last 3 runs, the oldest first: 10, 0, 12`. */
export function rowWords(runs: readonly RecentRun[]): string {
  const rows = runs.map((run) => count(run.rows_inserted)).join(', ');
  return `New rows of the last ${runs.length} runs, the oldest first: ${rows}`;
}

/** How old the loaded rows may be, as `freshness` of the config says: `at most 26 h old`. */
export function freshnessWords(pipeline: Pick<PipelineView, 'freshness_seconds'>): string | undefined {
  const seconds = pipeline.freshness_seconds;
  return seconds ? `at most ${interval(seconds)} old` : undefined;
}

/** How a pipeline stands, in words and as a tone. */
export interface Health {
  tone: 'good' | 'warn' | 'bad' | '';
  label: string;
  /** Why, as a sentence. */
  why: string;
}

function hasEnded({ state }: Pick<RecentRun, 'state'>): boolean {
  return state !== 'queued' && state !== 'running';
}

/** How a pipeline stands: the worst of what is known of it. */
export function healthOf(pipeline: PipelineView): Health {
  // A run that has not ended says nothing yet.
  const last = pipeline.recent_runs.filter(hasEnded).at(-1) ?? pipeline.last_run;
  if (!pipeline.runnable)
    return { tone: 'bad', label: 'Cannot run', why: 'Its newest version has problems: see its config.' };
  if (last?.state === 'failed')
    return { tone: 'bad', label: 'Failing', why: 'Its last run failed: see why on the page of the run.' };
  if (last?.outcome === 'nothing_loaded')
    return { tone: 'bad', label: 'Nothing loaded', why: 'Its last run had rows to load and loaded none.' };
  if (last?.state === 'stopped')
    return { tone: 'warn', label: 'Stopped', why: 'Its last run was stopped before it had loaded.' };
  if (pipeline.stale)
    return { tone: 'warn', label: 'Stale', why: 'No run has loaded for longer than its config allows.' };
  if (pipeline.pause)
    return { tone: 'warn', label: 'Paused', why: 'Its runs wait until someone resumes it.' };
  if (last?.outcome === 'with_warnings')
    return { tone: 'warn', label: 'With warnings', why: 'Its last run loaded, with warnings.' };
  if (!pipeline.loaded_at)
    return { tone: '', label: 'Not loaded yet', why: 'No run of it has loaded anything so far.' };
  return { tone: 'good', label: 'Healthy', why: 'A run has loaded, and nothing that is known is wrong.' };
}
