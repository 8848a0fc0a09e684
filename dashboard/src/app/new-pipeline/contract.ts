import { PreviewColumn } from '../core/api/models';
import { YamlValue, removeYaml, renameKey, setYaml } from '../editor/yaml-edit';
import { YamlPath, YamlTree, keysOf, nodeAt, readYaml, textAt, textsAt } from '../editor/yaml-tree';
import { SOURCE } from './source-edit';

/** A column as the preview found it and the YAML wants it. */
export interface Column {
  /** Its name in the source. */
  source: string;
  /** Its name in the table. */
  name: string;
  /** The type that its values have; empty when no preview has it. */
  found: string;
  /** Why. */
  because: string;
  /** The type that the YAML says; empty: it is decided from the data. */
  type: string;
  /** Whether a row without a value is rejected. */
  required: boolean;
  isKey: boolean;
  /** How its values are hidden; empty: they are not. */
  mask: string;
}

export const MASKS: readonly [mask: string, words: string][] = [
  ['', 'shown'],
  ['hash', 'hash'],
  ['redact', '***'],
  ['last4', 'last four characters'],
  ['null', 'NULL'],
];

/** Keys of `schema:` that are not columns. */
const NOT_COLUMNS = ['columns', 'on_mismatch', 'on_extra_column', 'max_rejected'];

/** The renames of a config: from names in the source to names in the table. */
export function renamesOf(tree: YamlTree): Map<string, string> {
  const path = shapePath(tree, 'rename');
  return new Map(keysOf(tree, path).map((key) => [key, textAt(tree, [...path, key]) ?? key]));
}

/** All columns. `renamed`: the renames with which the preview was made, because it shows the new names. */
export function columnsOf(
  tree: YamlTree,
  preview: readonly PreviewColumn[],
  renamed: ReadonlyMap<string, string>,
): Column[] {
  const renames = renamesOf(tree);
  const original = invert(renamed);
  const shown = preview.map(({ name = '', type = '', because = '' }) => {
    const source = original.get(name) ?? name;
    return columnOf(tree, source, renames.get(source) ?? source, type, because);
  });
  const back = invert(renames);
  const known = new Set(shown.map(({ name }) => name));
  const others = keysOf(tree, schemaPath(tree)).filter((name) => isColumn(tree, name) && !known.has(name));
  return [...shown, ...others.map((name) => columnOf(tree, back.get(name) ?? name, name, '', ''))];
}

function columnOf(tree: YamlTree, source: string, name: string, found: string, because: string): Column {
  const path = [...schemaPath(tree), name];
  const mask = textAt(tree, [...shapePath(tree, 'mask'), name]) ?? '';
  return {
    source,
    name,
    found: mask === '' || mask === 'null' || found === '' ? found : 'text',
    because,
    type: textAt(tree, path) ?? textAt(tree, [...path, 'type']) ?? '',
    required: /^(?:false|no|off)$/i.test(textAt(tree, [...path, 'nullable']) ?? ''),
    isKey: textsAt(tree, ['load', 'key']).includes(name),
    mask,
  };
}

/** Writes the type of a column; an empty one leaves it to the data. */
export function setType(text: string, { name }: Column, type: string): string | undefined {
  const tree = readYaml(text);
  const path = [...schemaPath(tree), name];
  if (type === '') return removeYaml(text, path);
  return setYaml(text, nodeAt(tree, path)?.kind === 'map' ? [...path, 'type'] : path, type);
}

/** Writes the types that were found for all columns that have none yet. */
export function keepTypes(text: string, columns: readonly Column[]): string | undefined {
  return columns
    .filter(({ type, found }) => type === '' && found !== '')
    .reduce<string | undefined>(
      (changed, column) => (changed === undefined ? undefined : setType(changed, column, column.found)),
      text,
    );
}

/** Whether a column must have a value. A column without a type gets the one that was found, which the schema needs. */
export function setRequired(text: string, column: Column, required: boolean): string | undefined {
  const tree = readYaml(text);
  const path = [...schemaPath(tree), column.name];
  if (nodeAt(tree, path)?.kind === 'map')
    return required ? setYaml(text, [...path, 'nullable'], false) : removeYaml(text, [...path, 'nullable']);
  const type = column.type || column.found || 'text';
  return setYaml(text, path, required ? { type, nullable: false } : type);
}

/** Makes a column a part of the key, with which rows are merged; or no longer. */
export function setKey(text: string, { name }: Column, isKey: boolean): string | undefined {
  const tree = readYaml(text);
  const others = textsAt(tree, ['load', 'key']).filter((key) => key !== name);
  const keys = isKey ? [...others, name] : others;
  const mode = nodeAt(tree, ['target', 'mode']) === undefined ? ['load', 'mode'] : ['target', 'mode'];
  if (keys.length > 0) {
    const changed = setYaml(text, mode, 'merge');
    return changed === undefined ? undefined : setYaml(changed, ['load', 'key'], keys);
  }
  const changed = removeYaml(text, ['load', 'key']);
  return textAt(readYaml(changed), mode) === 'merge' ? removeYaml(changed, mode) : changed;
}

/** Gives a column another name in the table, everywhere in what the forms write. An empty one is its name in the source. */
export function setName(text: string, { source, name }: Column, wanted: string): string | undefined {
  const next = wanted.trim() === '' ? source : wanted.trim();
  const tree = readYaml(text);
  const path = [...shapePath(tree, 'rename'), source];
  let changed = next === source ? removeYaml(text, path) : setYaml(text, path, next);
  if (changed === undefined) return undefined;
  changed = renameKey(changed, [...schemaPath(readYaml(changed)), name], next);
  changed = renameKey(changed, [...shapePath(readYaml(changed), 'mask'), name], next);
  const keys = textsAt(tree, ['load', 'key']);
  if (!keys.includes(name)) return changed;
  return setYaml(
    changed,
    ['load', 'key'],
    keys.map((key) => (key === name ? next : key)),
  );
}

/** Hides the values of a column. What most masks make is text, so a type that was written becomes text. */
export function setMask(text: string, column: Column, mask: string): string | undefined {
  const path = [...shapePath(readYaml(text), 'mask'), column.name];
  if (mask === '') return removeYaml(text, path);
  const changed = setYaml(text, path, mask);
  const isText = mask !== 'null' && column.type !== '';
  return changed === undefined || !isText ? changed : setType(changed, column, 'text');
}

/** Where the key of the masks that hash is written. */
export function maskSecretPath(tree: YamlTree): YamlPath {
  return shapePath(tree, 'mask_secret');
}

/** Whether a column is hashed, which needs a key. */
export function isHashed(tree: YamlTree): boolean {
  const path = shapePath(tree, 'mask');
  return keysOf(tree, path).some((key) => textAt(tree, [...path, key]) === 'hash');
}

/** A reference to a stored secret. */
export function secretValue(name: string): YamlValue {
  return `\${secret:${name}}`;
}

/** A shape of the source replaces the one at the top of the config. */
function shapePath(tree: YamlTree, key: string): (string | number)[] {
  const ofSource = nodeAt(tree, [...SOURCE, 'shape']);
  return ofSource === undefined ? ['shape', key] : [...SOURCE, 'shape', key];
}

/** Columns stand in `schema.columns`, or directly in `schema`. */
function schemaPath(tree: YamlTree): string[] {
  const direct = keysOf(tree, ['schema']).some((key) => !NOT_COLUMNS.includes(key));
  return direct && nodeAt(tree, ['schema', 'columns']) === undefined ? ['schema'] : ['schema', 'columns'];
}

function isColumn(tree: YamlTree, name: string): boolean {
  return schemaPath(tree).length > 1 || !NOT_COLUMNS.includes(name);
}

function invert(names: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...names].map(([from, to]) => [to, from]));
}
