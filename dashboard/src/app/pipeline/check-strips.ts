import { CheckState, Run } from '../core/api/models';
import { count, plural } from '../core/format';
import { CHECK_STATES, checkWord } from '../run/check-words';

/** The result of a check in one run. */
export interface CheckMark {
  run: string;
  /** When the run was requested. */
  at: string;
  /** `undefined`: the run did not try the check, because it ended before, or its config did not have it. */
  state: CheckState | undefined;
  /** What the check is about, such as `unique`. */
  rule: string | undefined;
  /** Rows for which it does not hold; for `row_count`, the rows of the table. */
  rows: number;
}

/** The results of a check in the newest runs, the oldest run first. */
export interface CheckStrip {
  name: string;
  marks: CheckMark[];
  /** How many runs had which result: `17 passed, 2 warned, 1 failed`. */
  words: string;
}

/**
 * The results of each check in runs, which are given with the newest first. The checks of the newest run come first. Each table
 * of a pipeline with several has strips of its own.
 */
export function stripsOf(runs: readonly Run[]): CheckStrip[] {
  // A run of several tables tries no check itself: the run of each table does.
  const tried = runs.filter((run) => !run.report?.tables?.length);
  const tables = new Set(tried.map(partOf));
  return [...tables].flatMap((table) =>
    ofTable(
      tried.filter((run) => partOf(run) === table),
      table,
    ),
  );
}

/** The table of a run that is one of several of a whole; empty for other runs. */
function partOf(run: Run): string {
  return run.part_of ? run.target_table : '';
}

function ofTable(runs: readonly Run[], table: string): CheckStrip[] {
  const names = new Set(runs.flatMap((run) => checksOf(run).map((check) => check.name ?? '')));
  const oldestFirst = runs.toReversed();
  return [...names].map((name) => {
    const marks = oldestFirst.map((run): CheckMark => {
      const check = checksOf(run).find((one) => one.name === name);
      const state = check === undefined ? undefined : (check.state ?? 'passed');
      return { run: run.id, at: run.created_at, state, rule: check?.rule, rows: check?.rows ?? 0 };
    });
    return { name: table === '' ? name : `${name} · ${table}`, marks, words: countWords(marks) };
  });
}

/** The result of a mark in words: `Failed, 2 rows`. */
export function markWords({ state, rule, rows }: CheckMark): string {
  if (state === undefined) return 'Not run';
  const word = checkWord(state);
  if (rule === 'row_count') return `${word}: the table has ${plural(rows, 'row')}`;
  return state === 'passed' || state === 'broken' ? word : `${word}, ${plural(rows, 'row')}`;
}

function checksOf(run: Run): NonNullable<NonNullable<Run['report']>['checks']> {
  return run.report?.checks ?? [];
}

function countWords(marks: readonly CheckMark[]): string {
  const states = [...(Object.keys(CHECK_STATES) as CheckState[]), undefined];
  return states
    .map((state) => ({ state, number: marks.filter((mark) => mark.state === state).length }))
    .filter(({ number }) => number > 0)
    .map(({ state, number }) => `${count(number)} ${(state ? checkWord(state) : 'Not run').toLowerCase()}`)
    .join(', ');
}
