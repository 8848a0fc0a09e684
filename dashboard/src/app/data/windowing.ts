/** The range of rows or columns that is drawn, and the space of those before and after it. */
export interface Span {
  /** Index of the first item drawn. */
  from: number;
  /** Index after the last item drawn. */
  to: number;
  /** Pixels before the first item drawn. */
  before: number;
  /** Pixels after the last item drawn. */
  after: number;
}

/** Indexes move in steps of this many items, so that a small scroll draws nothing new. */
const STEP = 4;

/** The range of items of equal size, such as rows. `beyond`: items drawn out of sight at both ends. */
export function evenSpan(count: number, size: number, at: number, room: number, beyond: number): Span {
  const first = Math.floor(at / size) - beyond;
  const last = Math.ceil((at + room) / size) + beyond;
  const from = clamp(Math.floor(first / STEP) * STEP, 0, count);
  const to = clamp(Math.ceil(last / STEP) * STEP, from, count);
  return { from, to, before: from * size, after: (count - to) * size };
}

/** The range of items of different sizes, such as columns. `ends`: the pixel at which each item ends. */
export function unevenSpan(ends: readonly number[], at: number, room: number, beyond: number): Span {
  const count = ends.length;
  const first = indexAt(ends, at) - beyond;
  const last = indexAt(ends, at + room) + 1 + beyond;
  const from = clamp(Math.floor(first / STEP) * STEP, 0, count);
  const to = clamp(Math.ceil(last / STEP) * STEP, from, count);
  const before = from === 0 ? 0 : (ends[from - 1] ?? 0);
  return { from, to, before, after: (ends.at(-1) ?? 0) - (to === 0 ? 0 : (ends[to - 1] ?? 0)) };
}

/** The range of all items. */
export function wholeSpan(count: number): Span {
  return { from: 0, to: count, before: 0, after: 0 };
}

export function sameSpan(one: Span, other: Span): boolean {
  return (
    one.from === other.from && one.to === other.to && one.before === other.before && one.after === other.after
  );
}

/** The pixel at which each item ends, from the sizes of the items. */
export function endsOf(sizes: readonly number[]): number[] {
  let end = 0;
  return sizes.map((size) => (end += size));
}

/** Index of the first item that ends after a pixel, by binary search. */
function indexAt(ends: readonly number[], at: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
