/** How a cell is shown. */
export interface Cell {
  text: string;
  kind: 'null' | 'empty' | 'number' | 'boolean' | 'json' | 'text';
}

const NUMERIC = /^(smallint|integer|bigint|numeric|real|double precision|money)/;

/** Whether values of a type are aligned to the right. */
export function isNumeric(type: string): boolean {
  return NUMERIC.test(type);
}

/** How a value is shown. NULL, an empty text, zero, false and the text "null" all look different. */
export function cellOf(value: unknown, type: string): Cell {
  if (value === null || value === undefined) return { text: 'NULL', kind: 'null' };
  if (value === '') return { text: 'empty', kind: 'empty' };
  if (typeof value === 'boolean') return { text: String(value), kind: 'boolean' };
  if (typeof value === 'number') return { text: String(value), kind: 'number' };
  if (typeof value === 'object') return { text: JSON.stringify(value), kind: 'json' };
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (isNumeric(type)) return { text, kind: 'number' };
  if (type.startsWith('json')) return { text, kind: 'json' };
  return { text, kind: 'text' };
}

/** A value as text for a dialog: JSON is indented. */
export function spelledOut(value: unknown, type: string): string {
  const cell = cellOf(value, type);
  if (cell.kind !== 'json') return cell.kind === 'empty' ? '' : cell.text;
  try {
    return JSON.stringify(typeof value === 'string' ? JSON.parse(value) : value, null, 2);
  } catch {
    return cell.text;
  }
}

/** The next sort order of a column: up, down, none. */
export function nextSort(now: string | undefined, column: string): string | undefined {
  if (now === column) return `-${column}`;
  return now === `-${column}` ? undefined : column;
}
