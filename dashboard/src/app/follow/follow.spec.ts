import { Observable, of, throwError } from 'rxjs';
import { HttpErrorResponse } from '@angular/common/http';

import { LogLine, Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { endWords, endsSince } from './end-words';
import { Followed, MOST_FOLLOWED, idsIn, readFollowed } from './followed';
import { SHOWN_LINES, withLines } from './last-lines';

const id = (number: number): string => `0199a1f0-0000-7000-8000-${String(number).padStart(12, '0')}`;

function run(number: number, more: Partial<Run> = {}): Run {
  return { id: id(number), name: `p${number}`, kind: 'run', state: 'running', ...more } as Run;
}

describe('the runs of an address', () => {
  it('are ids, each once, and at most eight', () => {
    expect(idsIn(undefined)).toEqual([]);
    expect(idsIn(` ${id(1)},nonsense,${id(2)},${id(1).toUpperCase()},`)).toEqual([id(1), id(2)]);
    const many = Array.from({ length: 9 }, (_, at) => id(at));
    expect(idsIn(many.join())).toEqual(many.slice(0, MOST_FOLLOWED));
  });
});

describe('runs that are followed', () => {
  /** A server with some runs. It writes down which of them were read one by one. */
  function server(runs: readonly Run[], asked: string[]): RunsApi {
    const running = runs.filter(({ state }) => state === 'running');
    const find = (wanted: string): Observable<Run> => {
      asked.push(wanted);
      const one = runs.find((run) => run.id === wanted);
      return one === undefined ? throwError(() => new HttpErrorResponse({ status: 404 })) : of(one);
    };
    const list = (): Observable<unknown> => of({ data: running, counts: { running: 12 } });
    return { list, find } as unknown as RunsApi;
  }

  it('are read in one request while they run, and one by one when they do not', () => {
    const asked: string[] = [];
    const api = server([run(1), run(2, { state: 'failed' }), run(3, { state: 'queued' })], asked);
    let answer: Followed | undefined;
    const known = [undefined, run(2, { state: 'failed', error: 'known' })];
    readFollowed(api, [id(2), id(1), id(3), id(4)], known).subscribe((value) => (answer = value));
    expect(asked).toEqual([id(3), id(4)]);
    expect(answer?.running).toBe(12);
    expect(answer?.runs.map((one) => one?.state)).toEqual(['failed', 'running', 'queued', undefined]);
    expect(answer?.runs[0]?.error).toBe('known');
  });

  it('are announced once when they end, and not when they were over before', () => {
    const clean = run(1, { state: 'succeeded', outcome: 'clean', rows_inserted: 3 });
    expect(endsSince([run(1), run(2)], [clean, run(2)])).toEqual(['p1: clean. 3 new rows']);
    expect(endsSince([clean, run(2)], [clean, run(2)])).toEqual([]);
    expect(endsSince([], [clean])).toEqual([]);
  });
});

describe('the end of a run', () => {
  it('says how many rows it loaded, or why it failed', () => {
    const done = { state: 'succeeded', rows_inserted: 1200, rows_duplicate: 1, rows_quarantined: 2 } as const;
    expect(endWords(run(1, done))).toBe('1,200 new rows · 1 duplicate · 2 rows rejected');
    expect(endWords(run(1, { state: 'failed', error: 'The target is away.' }))).toBe('The target is away.');
    expect(endWords(run(1, { state: 'stopped' }))).toBe('The run was stopped before a worker started it.');
  });
});

describe('the newest lines of runs', () => {
  const line = (number: number, of: number): LogLine => ({ id: number, run_id: id(of) }) as LogLine;

  it('are the last five of each run, each once, whatever order they arrive in', () => {
    const wanted = [id(1), id(2)];
    const first = withLines(new Map(), [line(9, 1), line(1, 2)], wanted);
    const fresh = [3, 7, 5, 4, 6, 8].map((number) => line(number, 1));
    const then = withLines(first, fresh, wanted);
    expect(then.get(id(1))?.map((one) => one.id)).toEqual([5, 6, 7, 8, 9]);
    expect(then.get(id(2))?.map((one) => one.id)).toEqual([1]);
    expect(then.get(id(1))).toHaveLength(SHOWN_LINES);
    expect(withLines(then, [line(99, 3)], wanted)).toBe(then);
  });
});
