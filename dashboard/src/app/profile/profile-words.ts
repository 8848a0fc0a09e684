import { ColumnProfile } from '../core/api/models';
import { compact, count, plural } from '../core/format';

/** A share in percent, as people read it: `0 %`, `< 0.1 %`, `12 %`, `> 99.9 %`. */
export function percent(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return '0 %';
  if (part >= whole) return '100 %';
  const share = (part / whole) * 100;
  if (share < 0.1) return '< 0.1 %';
  if (share > 99.9) return '> 99.9 %';
  return `${share < 10 || share > 99 ? share.toFixed(1).replace(/\.0$/, '') : share.toFixed(0)} %`;
}

/** The share of rows without a value. */
export function missing(column: ColumnProfile, rows: number): string {
  return percent(column.nulls ?? 0, rows);
}

/** The number of different values: `7`, `about 12,300`. */
export function different(column: ColumnProfile): string {
  const distinct = column.distinct ?? 0;
  return column.distinct_exact ? count(distinct) : `about ${count(rounded(distinct))}`;
}

/** The same for narrow places: `7`, `≈ 12.3K`. */
export function differentShort(column: ColumnProfile): string {
  const distinct = column.distinct ?? 0;
  return column.distinct_exact ? compact(distinct) : `≈ ${compact(rounded(distinct))}`;
}

/** The smallest and the largest value: `1 – 12`. Empty when they are not known. */
export function ends({ min, max }: ColumnProfile): string {
  if (min === undefined || min === null || max === undefined || max === null) return '';
  return min === max ? spelled(min) : `${spelled(min)} – ${spelled(max)}`;
}

/** A value to show: the empty text is invisible otherwise. */
export function spelled(value: string): string {
  return value === '' ? '(empty)' : value;
}

/** What a screen reader says about a column. */
export function sentence(column: ColumnProfile, rows: number): string {
  const between = ends(column);
  const words = `${missing(column, rows)} missing, ${different(column)} different of ${plural(rows, 'row')}`;
  return between === '' ? words : `${words}, ${between}`;
}

/** An estimate without digits that mean nothing. */
function rounded(estimate: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, estimate))) - 2);
  return Math.round(estimate / unit) * unit;
}
