/** How a cell is shown. */
export interface Cell {
  text: string;
  kind: 'null' | 'empty' | 'blank' | 'number' | 'boolean' | 'json' | 'text';
}

/**
 * Characters that cannot be seen, and marks that turn the direction of a text around. Tabs and line breaks stay, and so do
 * the joiners of emoji and of scripts that need them.
 */
const UNSEEN = /(?![\t\n\r\u200c\u200d])[\p{Cc}\p{Cf}]/gu;

/** A text in which characters that cannot be seen are written out, such as `[U+202E]`. */
export function visible(text: string): string {
  return text.replace(
    UNSEEN,
    (unseen) => `[U+${(unseen.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
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
  if (text.trim() === '') return { text: blankWords(text), kind: 'blank' };
  return { text: visible(text), kind: 'text' };
}

/** `3 blanks`, for a text of spaces, tabs and line breaks. */
function blankWords(text: string): string {
  return text.length === 1 ? '1 blank' : `${text.length} blanks`;
}

/** A value as text for a dialog: JSON is indented. */
export function spelledOut(value: unknown, type: string): string {
  const cell = cellOf(value, type);
  if (cell.kind === 'empty') return '';
  // People copy the value from the dialog, so it is exactly what the table has.
  if (cell.kind === 'text' || cell.kind === 'blank') return typeof value === 'string' ? value : cell.text;
  if (cell.kind !== 'json') return cell.text;
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
