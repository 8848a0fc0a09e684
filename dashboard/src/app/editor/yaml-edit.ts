import { scalarText } from './yaml-scalar';
import { YamlEntry, YamlMap, YamlPath, YamlNode, entryOf, nodeAt, readYaml } from './yaml-tree';

/** A value that is YAML already, on one line. */
export class RawYaml {
  constructor(readonly written: string) {}
}

/** A value that is written on one line. */
export type YamlValue =
  string | number | boolean | RawYaml | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/**
 * Writes a value at a path, and the keys above it that are missing. Everything else stays as it is written: comments,
 * order, quotes and blank lines. `undefined`: the text writes something above it that is not a mapping, such as an alias.
 */
export function setYaml(text: string, path: YamlPath, value: YamlValue): string | undefined {
  const { root, fault } = readYaml(text);
  if (fault !== undefined) return undefined;
  if (root === undefined) return `${text.trimEnd()}\n${nested(path, value, 0)}\n`.trimStart();
  let node: YamlNode = root;
  for (const [at, step] of path.entries()) {
    const rest = path.slice(at + 1);
    if (typeof step === 'string') {
      if (node.kind !== 'map') return undefined;
      const entry = entryOf(node, step);
      if (entry === undefined) return insert(text, node, path.slice(at), value);
      if (rest.length === 0 || isMissing(entry.value)) return putInto(text, node, entry, rest, value);
      node = entry.value;
    } else {
      const item: YamlNode | undefined = node.kind === 'list' ? node.items[step] : undefined;
      if (item === undefined) return undefined;
      if (rest.length === 0) return splice(text, item.from, item.to, inline(value, true));
      node = item;
    }
  }
  return undefined;
}

/** Removes the entry at a path, and the mappings above it that are then empty. Comments in front of it stay. */
export function removeYaml(text: string, path: YamlPath): string {
  const tree = readYaml(text);
  const key = path.at(-1);
  const parent = path.length > 1 ? nodeAt(tree, path.slice(0, -1)) : tree.root;
  if (typeof key !== 'string' || parent?.kind !== 'map') return text;
  const at = parent.entries.findIndex((entry) => entry.key === key);
  const entry = parent.entries[at];
  if (entry === undefined) return text;
  if (parent.entries.length === 1 && typeof path.at(-2) === 'string')
    return removeYaml(text, path.slice(0, -1));
  const [before, after] = [parent.entries[at - 1], parent.entries[at + 1]];
  const sharesLine = text.slice(lineStart(text, entry.from), entry.from).trim() !== '';
  if (parent.flow || sharesLine) {
    if (after !== undefined) return splice(text, entry.from, after.from, '');
    return splice(text, before?.to ?? entry.from, entry.to, '');
  }
  return splice(text, lineStart(text, entry.from), endOf(text, entry.to, parent.indent) + 1, '');
}

/** Gives the entry at a path another key, and keeps its value. */
export function renameKey(text: string, path: YamlPath, key: string): string {
  const tree = readYaml(text);
  const parent = path.length > 1 ? nodeAt(tree, path.slice(0, -1)) : tree.root;
  const entry = entryOf(parent, String(path.at(-1)));
  return entry === undefined ? text : splice(text, entry.name.from, entry.name.to, scalarText(key, true));
}

/** A value on one line. */
function inline(value: YamlValue, inBraces: boolean): string {
  if (value instanceof RawYaml) return value.written;
  if (typeof value === 'string') return scalarText(value, inBraces);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map((item: YamlValue) => inline(item, true)).join(', ')}]`;
  const entries = Object.entries(value).map(([key, one]) => `${scalarText(key, true)}: ${inline(one, true)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

/** A value below the keys of a path, in lines that are indented. The first line has no indent, because a place for it is known. */
function nested(path: YamlPath, value: YamlValue, indent: number): string {
  const [key, next, ...rest] = path;
  const head = `${scalarText(String(key), true)}:`;
  if (next === undefined) return `${head} ${inline(value, false)}`;
  const below = ' '.repeat(indent + 2);
  if (typeof next === 'string') return `${head}\n${below}${nested([next, ...rest], value, indent + 2)}`;
  const item = rest.length === 0 ? inline(value, false) : nested(rest, value, indent + 4);
  return `${head}\n${below}- ${item}`;
}

/** The same in braces. */
function nestedInBraces(path: YamlPath, value: YamlValue): YamlValue {
  return path.reduceRight<YamlValue>(
    (inner, step) => (typeof step === 'number' ? [inner] : { [step]: inner }),
    value,
  );
}

function insert(text: string, map: YamlMap, path: YamlPath, value: YamlValue): string {
  const last = map.entries.at(-1);
  if (map.flow) {
    const [key, ...rest] = path;
    const written = `${scalarText(String(key), true)}: ${inline(nestedInBraces(rest, value), true)}`;
    return last === undefined
      ? splice(text, map.from, map.to, `{ ${written} }`)
      : splice(text, last.to, last.to, `, ${written}`);
  }
  const end = endOf(text, last?.to ?? map.to, map.indent);
  return splice(text, end, end, `\n${' '.repeat(map.indent)}${nested(path, value, map.indent)}`);
}

/** Writes a value, or keys with a value below them, behind the colon of an entry. */
function putInto(text: string, map: YamlMap, entry: YamlEntry, rest: YamlPath, value: YamlValue): string {
  const to = entry.value?.to ?? entry.colon;
  const key = text.slice(entry.name.from, entry.name.to);
  if (rest.length === 0 || map.flow) {
    const whole = inline(nestedInBraces(rest, value), map.flow);
    return splice(text, entry.colon, to, ` ${whole}`);
  }
  const below = nested([key, ...rest], value, map.indent);
  return splice(text, entry.colon, to, below.slice(below.indexOf('\n')));
}

function isMissing(node: YamlNode | undefined): node is undefined {
  return node === undefined || (node.kind === 'scalar' && ['', '~', 'null'].includes(node.value));
}

/** The end of the line at which an entry ends, with the comments below it that are indented deeper than its keys. */
function endOf(text: string, to: number, indent: number): number {
  let end = lineEnd(text, to);
  for (let at = end; at < text.length;) {
    const next = lineEnd(text, at + 1);
    const line = text.slice(at + 1, next);
    const isDeeper = line.search(/\S/) > indent;
    if (line.trim() !== '') {
      if (!isDeeper || !line.trim().startsWith('#')) break;
      end = next;
    }
    at = next;
  }
  return end;
}

function lineEnd(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end;
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

function splice(text: string, from: number, to: number, put: string): string {
  return text.slice(0, from) + put + text.slice(to);
}
