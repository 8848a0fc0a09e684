import { Run } from '../core/api/models';

/** How the bars of runs are placed: on the clock, or each beginning with its request. */
export type Axis = 'clock' | 'request';

/** The time of a run as shares of the axis, in percent. */
export interface RunBar {
  run: Run;
  /** Where the request is. */
  left: number;
  /** From the request to the first start, or to the end of a run that never started. */
  waited: number;
  /** From the first start to the end. */
  ran: number;
  /** Milliseconds. */
  waitedMs: number;
  /** Milliseconds; `undefined` before the start. */
  ranMs: number | undefined;
}

/** Least length of the axis, so that runs of milliseconds are not drawn as if they were long. */
const LEAST_MS = 1000;

/** The bars of runs, and the length of their axis in milliseconds. A run that is not over lasts until `now`. */
export function barsOf(runs: readonly Run[], axis: Axis, now: number): { bars: RunBar[]; spanMs: number } {
  const times = runs.map((run) => timesOf(run, now));
  const from = Math.min(...times.map((time) => time.requested));
  const spans = times.map((time) => time.end - (axis === 'clock' ? from : time.requested));
  const spanMs = Math.max(LEAST_MS, ...spans);
  const share = (ms: number): number => (ms / spanMs) * 100;
  const bars = runs.map((run, index) => {
    const { requested, started, end } = times[index] ?? timesOf(run, now);
    const waitedMs = (started ?? end) - requested;
    const ranMs = started === undefined ? undefined : end - started;
    return {
      run,
      left: axis === 'clock' ? share(requested - from) : 0,
      waited: share(waitedMs),
      ran: share(ranMs ?? 0),
      waitedMs,
      ranMs,
    };
  });
  return { bars, spanMs };
}

function timesOf(run: Run, now: number): { requested: number; started: number | undefined; end: number } {
  const requested = Date.parse(run.created_at);
  const started = run.started_at ? Math.max(requested, Date.parse(run.started_at)) : undefined;
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  // The clocks of the browser and the server may differ.
  return { requested, started, end: Math.max(end, started ?? requested) };
}
