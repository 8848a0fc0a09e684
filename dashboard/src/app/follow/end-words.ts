import { Run } from '../core/api/models';
import { plural } from '../core/format';
import { howFar } from '../run/how-far';
import { isOver, lossWords, shownState } from '../runs/run-words';

/** The kinds of runs that bring rows into a table, or would. */
const WITH_ROWS = ['run', 'replay', 'plan'];

/** What became of a run that is over, as a sentence or as counts. Empty for a run that only looked at something. */
export function endWords(run: Run): string {
  if (run.state === 'failed') return run.error ?? howFar(run);
  if (run.state === 'stopped') return howFar(run);
  if (!WITH_ROWS.includes(run.kind)) return lossWords(run) ?? '';
  const { rows_inserted: inserted, rows_updated: updated, rows_duplicate: duplicate } = run;
  const parts: string[] = [];
  if (inserted !== null && inserted !== undefined) parts.push(plural(inserted, 'new row'));
  if (updated) parts.push(`${plural(updated, 'row')} updated`);
  if (duplicate) parts.push(plural(duplicate, 'duplicate'));
  const loss = lossWords(run);
  const words = [...parts, ...(loss === undefined ? [] : [loss])].join(' · ');
  return run.kind === 'plan' && words !== '' ? `A run would give: ${words}` : words;
}

/** What a screen reader says of the runs that ended since they were looked at before: `people: clean. 3 new rows`. */
export function endsSince(before: readonly (Run | undefined)[], now: readonly (Run | undefined)[]): string[] {
  const open = new Set(before.flatMap((run) => (run && !isOver(run) ? [run.id] : [])));
  return now.flatMap((run) => {
    if (run === undefined || !open.has(run.id) || !isOver(run)) return [];
    const words = endWords(run);
    const state = shownState(run).replaceAll('_', ' ');
    return [words === '' ? `${run.name}: ${state}` : `${run.name}: ${state}. ${words}`];
  });
}
