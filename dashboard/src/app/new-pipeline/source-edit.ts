import { removeYaml, setYaml } from '../editor/yaml-edit';
import { YamlTree, entryOf, nodeAt, readYaml, textAt } from '../editor/yaml-tree';
import { SOURCE_KINDS, SourceField } from './source-kinds';

/** The source that the form is about. Others are written in the YAML. */
export const SOURCE = ['sources', 0] as const;

/** The key under which a config has a field. */
export function keyOf(tree: YamlTree, field: SourceField): string {
  const source = nodeAt(tree, SOURCE);
  const written = [field.key, ...(field.aliases ?? [])];
  return written.find((key) => entryOf(source, key) !== undefined) ?? field.key;
}

/** Makes the source another kind: removes the fields of other kinds, and adds those that it needs. */
export function switchKind(text: string, type: string): string | undefined {
  const kind = SOURCE_KINDS.find((one) => one.type === type);
  let changed = setYaml(text, [...SOURCE, 'type'], type);
  if (changed === undefined || kind === undefined) return undefined;
  const kept = new Set(kind.fields.flatMap(({ key, aliases }) => [key, ...(aliases ?? [])]));
  const others = SOURCE_KINDS.flatMap(({ fields }) => fields)
    .flatMap(({ key, aliases }) => [key, ...(aliases ?? [])])
    .filter((key) => !kept.has(key));
  for (const key of new Set(others)) changed = removeYaml(changed, [...SOURCE, key]);
  for (const field of kind.fields.filter(({ required }) => required)) {
    const key = keyOf(readYaml(changed), field);
    if (nodeAt(readYaml(changed), [...SOURCE, key]) === undefined)
      changed = setYaml(changed, [...SOURCE, key], '') ?? changed;
  }
  return changed;
}

/**
 * Writes a field of the source. An empty one is removed unless it is required. Where the pipeline and its table are
 * named for the place of the source, they follow it.
 */
export function setField(text: string, field: SourceField, value: string | boolean): string | undefined {
  const tree = readYaml(text);
  const path = [...SOURCE, keyOf(tree, field)];
  const before = textAt(tree, path) ?? '';
  if (!field.required && (value === '' || value === false)) return removeYaml(text, path);
  const isNumber = field.input === 'number' && typeof value === 'string' && /^\d{1,9}$/.test(value);
  const changed = setYaml(text, path, isNumber ? Number(value) : value);
  const isPlace = field.required && ['path', 'url'].includes(field.key);
  if (changed === undefined || !isPlace || typeof value !== 'string') return changed;
  return nameAfter(changed, before, value);
}

/** Names pipeline and table for a place, unless someone named them otherwise. `before`: the place they may be named for. */
export function nameAfter(text: string, before: string, place: string): string {
  const [old, name] = [nameFor(before), nameFor(place)];
  let changed = text;
  for (const path of [['name'], ['target', 'table']]) {
    const written = textAt(readYaml(changed), path) ?? '';
    if (written === '' || written === old) changed = setYaml(changed, path, name) ?? changed;
  }
  return changed;
}

/** A name for what is at a path or address: `orders` for `https://example.com/v1/orders.csv?x=1`. */
export function nameFor(place: string): string {
  const path = place.replace(/^[a-z\d+]+:\/\//i, '').replace(/[?#].*$/, '');
  const parts = path.split(/[/\\]/).filter((part) => part !== '' && !/[*{}[\]]|^\.{1,2}$/.test(part));
  const last = (parts.at(-1) ?? '').replace(/(?<=.)(?:\.[a-z]\w{0,8}){1,2}$/i, '');
  const name = last.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '_');
  return name.slice(0, 50).replace(/^_+|_+$/g, '');
}
