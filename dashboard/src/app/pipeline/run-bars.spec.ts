import { Run } from '../core/api/models';
import { barsOf } from './run-bars';

const AT = Date.parse('2026-11-25T10:00:00Z');

function run(requested: number, started?: number, finished?: number): Run {
  const at = (seconds?: number): string | undefined =>
    seconds === undefined ? undefined : new Date(AT + seconds * 1000).toISOString();
  return { created_at: at(requested), started_at: at(started), finished_at: at(finished) } as Run;
}

describe('the bars of runs', () => {
  it('have their places on the clock', () => {
    const { bars, spanMs } = barsOf([run(50, 60, 100), run(0, 10, 20)], 'clock', AT);
    expect(spanMs).toBe(100_000);
    expect(bars.map(({ left, waited, ran }) => [left, waited, ran])).toEqual([
      [50, 10, 40],
      [0, 10, 10],
    ]);
  });

  it('begin together when compared from their requests', () => {
    const { bars, spanMs } = barsOf([run(50, 60, 100), run(0, 10, 20)], 'request', AT);
    expect(spanMs).toBe(50_000);
    expect(bars.map(({ left, waited, ran }) => [left, waited, ran])).toEqual([
      [0, 20, 80],
      [0, 20, 20],
    ]);
  });

  it('last until now while a run is not over, and never less than nothing', () => {
    const { bars } = barsOf([run(0), run(0, 4), run(30, 29, 28)], 'request', AT + 10_000);
    expect(bars.map(({ waitedMs, ranMs }) => [waitedMs, ranMs])).toEqual([
      [10_000, undefined],
      [4000, 6000],
      [0, 0],
    ]);
  });

  it('are none for no runs', () => {
    expect(barsOf([], 'clock', AT)).toEqual({ bars: [], spanMs: 1000 });
  });
});
