import { endsOf, evenSpan, unevenSpan } from './windowing';

describe('windowing', () => {
  it('draws the rows in sight and a few beyond, and leaves room for the others', () => {
    const span = evenSpan(1000, 30, 3000, 600, 8);
    expect(span).toEqual({ from: 92, to: 128, before: 2760, after: 26_160 });
    expect(span.before + span.after + (span.to - span.from) * 30).toBe(30_000);
  });

  it('draws whole short lists, empty ones and both ends', () => {
    expect(evenSpan(5, 30, 0, 600, 8)).toEqual({ from: 0, to: 5, before: 0, after: 0 });
    expect(evenSpan(0, 30, 0, 600, 8)).toEqual({ from: 0, to: 0, before: 0, after: 0 });
    expect(evenSpan(100, 30, 99_999, 600, 8)).toMatchObject({ to: 100, after: 0 });
  });

  it('finds columns of different widths', () => {
    const ends = endsOf(Array.from({ length: 1600 }, (_, at) => 80 + (at % 5) * 20));
    for (const at of [0, 1, 5_000, 100_000, ends.at(-1) ?? 0]) {
      const span = unevenSpan(ends, at, 1000, 2);
      const drawn = (ends[span.to - 1] ?? 0) - (span.from === 0 ? 0 : (ends[span.from - 1] ?? 0));
      expect(span.before + drawn + span.after).toBe(ends.at(-1));
      expect(span.before).toBeLessThanOrEqual(at);
      expect(span.to - span.from).toBeLessThan(30);
    }
    expect(unevenSpan([], 0, 1000, 2)).toEqual({ from: 0, to: 0, before: 0, after: 0 });
  });
});
