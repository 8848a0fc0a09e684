import { Run } from '../core/api/models';
import { bytes, count, duration } from '../core/format';
import { RunReport } from '../run/report';
import { kindWord, shownState, tookMs, triggerWord } from '../runs/run-words';

/** One thing of two runs side by side. */
export interface Pair {
  label: string;
  a: string;
  b: string;
  differs: boolean;
}

function pair(label: string, a: string, b: string): Pair {
  return { label, a, b, differs: a !== b };
}

/** How two runs were started, how they ended, and how many rows they had. */
export function factsOf(a: Run, b: Run): Pair[] {
  const both = (label: string, of: (run: Run) => string): Pair => pair(label, of(a), of(b));
  return [
    both('State', (run) => shownState(run).replaceAll('_', ' ')),
    both('Error', (run) => run.error_code ?? '–'),
    both('Kind', (run) => kindWord(run.kind)),
    both('Started by', (run) => `${triggerWord(run.trigger)}, ${run.created_by}`),
    both('Table', (run) => run.target_table),
    both('Config', (run) => String(run.config_id)),
    both('Rows read', (run) => count(run.rows_read)),
    both('New rows', (run) => count(run.rows_inserted)),
    both('Updated rows', (run) => count(run.rows_updated)),
    both('Duplicates', (run) => count(run.rows_duplicate)),
    both('Rejected rows', (run) => count(run.rows_quarantined)),
    both('Files skipped', (run) => count(run.files_left_out)),
  ];
}

/** How long the parts of two runs took. */
export function timesOf(
  a: { run: Run; report?: RunReport },
  b: { run: Run; report?: RunReport },
  now: number,
): Pair[] {
  const stage = (report: RunReport | undefined, name: keyof RunReport['stages']): string =>
    report === undefined ? '–' : duration(report.stages[name] * 1000);
  const waited = (run: Run): string =>
    duration(run.started_at ? Date.parse(run.started_at) - Date.parse(run.created_at) : undefined);
  return [
    pair('Waited', waited(a.run), waited(b.run)),
    pair('Ran', duration(tookMs(a.run, now)), duration(tookMs(b.run, now))),
    pair('Extract', stage(a.report, 'extract'), stage(b.report, 'extract')),
    pair('Validate', stage(a.report, 'validate'), stage(b.report, 'validate')),
    pair('Load', stage(a.report, 'load'), stage(b.report, 'load')),
    pair('Check', stage(a.report, 'check'), stage(b.report, 'check')),
    pair('Models', stage(a.report, 'transform'), stage(b.report, 'transform')),
  ];
}

/** The types of all columns that one of two runs has, those that differ first. */
export function columnsOf(a: RunReport, b: RunReport): Pair[] {
  const types = (report: RunReport): Map<string, string> =>
    new Map(report.columns.map((column) => [column.name, column.type]));
  return byDifference(paired(types(a), types(b), 'not there'));
}

/** The files of two runs with their rows and sizes, those that differ first. */
export function filesOf(a: RunReport, b: RunReport): Pair[] {
  const files = (report: RunReport): Map<string, string> =>
    new Map(report.files.map((file) => [file.name, `${count(file.rows_read)} rows, ${bytes(file.bytes)}`]));
  return byDifference(paired(files(a), files(b), 'not read'));
}

function paired(a: Map<string, string>, b: Map<string, string>, missing: string): Pair[] {
  const names = [...new Set([...a.keys(), ...b.keys()])];
  return names.map((name) => pair(name, a.get(name) ?? missing, b.get(name) ?? missing));
}

function byDifference(pairs: Pair[]): Pair[] {
  return pairs.toSorted((one, other) => Number(other.differs) - Number(one.differs));
}
