import { Observable, catchError, forkJoin, map, of, switchMap, throwError } from 'rxjs';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { toProblem } from '../core/problem';
import { UUID } from '../core/uuid';
import { isOver } from '../runs/run-words';

/** Most runs that are followed at a time. */
export const MOST_FOLLOWED = 8;
/** Running runs that are read in one request. A followed run that is not among them has a request of its own. */
const LISTED = 50;

/** Runs that are followed together. */
export interface Followed {
  /** In the order of their ids; `undefined` for a run that is not there. */
  runs: readonly (Run | undefined)[];
  /** How many runs are running, followed or not. */
  running: number;
}

/** The ids in an address, `a,b,c`: each once, and no more than are followed. What is not an id is left out. */
export function idsIn(address: string | undefined): readonly string[] {
  return partsOf(address)
    .filter((id) => UUID.test(id))
    .slice(0, MOST_FOLLOWED);
}

/** The parts of an address, `a,b,c`, each once. */
export function partsOf(address: string | undefined): readonly string[] {
  const parts = (address ?? '').split(',').map((part) => part.trim().toLowerCase());
  return [...new Set(parts.filter((part) => part !== ''))];
}

/** Reads runs as they are now, at least one. Runs in `known` that are over are not read again, because they no longer change. */
export function readFollowed(
  api: RunsApi,
  ids: readonly string[],
  known: readonly (Run | undefined)[],
): Observable<Followed> {
  const over = new Map(known.flatMap((run) => (run && isOver(run) ? [[run.id, run] as const] : [])));
  return api.list({ state: 'running' }, LISTED).pipe(
    switchMap(({ data, counts }) => {
      const running = new Map(data.map((run) => [run.id, run]));
      const runs = ids.map((id) => {
        const run = over.get(id) ?? running.get(id);
        return run === undefined ? found(api, id) : of(run);
      });
      const number = (counts as Record<string, number>)['running'] ?? 0;
      return forkJoin(runs).pipe(map((all) => ({ runs: all, running: number })));
    }),
  );
}

/** A run, or `undefined` when it is not there (any more). */
function found(api: RunsApi, id: string): Observable<Run | undefined> {
  return api
    .find(id)
    .pipe(
      catchError((error: unknown) =>
        toProblem(error).status === 404 ? of(undefined) : throwError(() => error),
      ),
    );
}
