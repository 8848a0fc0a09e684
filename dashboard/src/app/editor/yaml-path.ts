/** The position of the cursor in a YAML text: the keys above it, and the word being typed. */
export interface Place {
  /** Keys from the top; `[]` enters a list. */
  path: string[];
  /** The key whose value is being typed. `undefined` while a key is typed. */
  key?: string;
  /** What is written so far. */
  word: string;
}

const KEY = /^(?<key>[A-Za-z_][\w .-]*?)\s*:(?:\s+(?<value>.*))?$/;

/**
 * Finds the position by indentation alone, because a line that is being typed is rarely valid YAML. `undefined` in
 * comments and in flow style (`{a: 1}`).
 */
export function placeAt(lines: readonly string[], line: number, column: number): Place | undefined {
  const written = (lines[line] ?? '').slice(0, column);
  if (/^\s*#/.test(written) || /[{[]/.test(written)) return undefined;
  const here = parse(written);
  const path = pathAbove(lines, line, here);
  const entry = KEY.exec(here.text);
  if (entry?.groups !== undefined) {
    const value = entry.groups['value'] ?? '';
    return { path, key: entry.groups['key'], word: value };
  }
  return { path, word: here.text };
}

interface Line {
  /** Column at which the text begins, behind any `- `. */
  indent: number;
  /** Columns of the dashes before the text. */
  dashes: number[];
  text: string;
}

function parse(line: string): Line {
  const dashes: number[] = [];
  let rest = line;
  let indent = 0;
  for (;;) {
    const blank = /^ */.exec(rest)?.[0].length ?? 0;
    rest = rest.slice(blank);
    indent += blank;
    if (!/^-(?: |$)/.test(rest)) break;
    dashes.push(indent);
    rest = rest.slice(1);
    indent += 1;
  }
  return { indent, dashes, text: rest };
}

function pathAbove(lines: readonly string[], line: number, here: Line): string[] {
  const path: string[] = here.dashes.map(() => '[]');
  let limit = here.dashes[0] ?? here.indent;
  let inList = here.dashes.length > 0;
  for (let above = line - 1; above >= 0 && (limit > 0 || inList); above--) {
    const raw = lines[above] ?? '';
    if (raw.trim() === '' || /^\s*#/.test(raw)) continue;
    const found = parse(raw);
    const start = found.dashes[0] ?? found.indent;
    const key = KEY.exec(found.text)?.groups?.['key'];
    // `key:` and its `- item` may begin at the same column.
    const owns = found.indent < limit || (inList && found.dashes.length === 0 && found.indent === limit);
    if (owns && key !== undefined) {
      path.unshift(key);
      inList = false;
      limit = found.indent;
    }
    if (found.dashes.length > 0 && start < limit) {
      path.unshift(...found.dashes.map(() => '[]'));
      limit = start;
      inList = true;
    }
  }
  return path;
}
