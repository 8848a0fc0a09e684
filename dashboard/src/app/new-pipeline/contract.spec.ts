import { readYaml } from '../editor/yaml-tree';
import {
  Column,
  columnsOf,
  keepTypes,
  renamesOf,
  setKey,
  setMask,
  setName,
  setRequired,
  setType,
} from './contract';

const CONFIG = '# mine\nname: x\ntarget: { table: t } # there\n';
const PREVIEW = [
  { name: 'a: b', type: 'bigint', because: '' },
  { name: 'größe', type: 'text', because: 'line 2 has "x"' },
];

function columns(text: string): Column[] {
  return columnsOf(readYaml(text), PREVIEW, new Map());
}

function column(text: string, source = 'a: b'): Column {
  const found = columns(text).find((one) => one.source === source);
  if (found === undefined) throw new Error(source);
  return found;
}

/** Makes changes one after the other, each of the column as it is then. */
function changed(...changes: ((text: string) => string | undefined)[]): string {
  return changes.reduce((text, change) => change(text) ?? 'refused', CONFIG);
}

describe('the contract of the columns', () => {
  it('begins with what the preview found, and changes nothing by itself', () => {
    expect(columns(CONFIG)).toEqual([
      {
        source: 'a: b',
        name: 'a: b',
        found: 'bigint',
        because: '',
        type: '',
        required: false,
        isKey: false,
        mask: '',
      },
      expect.objectContaining({ source: 'größe', because: 'line 2 has "x"' }),
    ]);
  });

  it('keeps the types that were found, with names that need quotes', () => {
    const text = changed((was) => keepTypes(was, columns(was)));
    expect(text).toBe(`${CONFIG}schema:\n  columns:\n    "a: b": bigint\n    größe: text\n`);
    expect(keepTypes(text, columns(text))).toBe(text);
  });

  it('says that a value is required, and keeps the type', () => {
    const text = changed((was) => setRequired(was, column(was), true));
    expect(text).toContain('    "a: b": { type: bigint, nullable: false }\n');
    expect(column(text)).toMatchObject({ required: true, type: 'bigint' });
    expect(setRequired(text, column(text), false)).toContain('"a: b": { type: bigint }');
    expect(setType(text, column(text), 'numeric')).toContain('{ type: numeric, nullable: false }');
    expect(setType(text, column(text), '')).toBe(CONFIG);
  });

  it('merges by a key, and no longer when the last column of it is taken away', () => {
    const text = changed((was) => setKey(was, column(was), true));
    expect(text).toContain('load:\n  mode: merge\n  key: ["a: b"]\n');
    expect(setKey(text, column(text), false)).toBe(CONFIG);
  });

  it('renames a column everywhere', () => {
    const text = changed(
      (was) => setRequired(was, column(was), true),
      (was) => setKey(was, column(was), true),
      (was) => setMask(was, column(was), 'redact'),
      (was) => setName(was, column(was), '007'),
    );
    expect(text).toContain('rename:\n    "a: b": "007"\n');
    expect(text).toContain('"007": { type: text, nullable: false }');
    expect(text).toContain('key: ["007"]');
    expect(text).toContain('"007": redact');
    expect(renamesOf(readYaml(text))).toEqual(new Map([['a: b', '007']]));
    const back = setName(text, column(text), '') ?? '';
    expect(back).not.toContain('007');
    expect(back).toContain('key: ["a: b"]');
  });

  it('knows a column again in a preview that was made after it got another name', () => {
    const text = changed((was) => setName(was, column(was), 'c'));
    const preview = [{ name: 'c', type: 'bigint', because: '' }];
    expect(columnsOf(readYaml(text), preview, renamesOf(readYaml(text)))).toMatchObject([
      { source: 'a: b', name: 'c', found: 'bigint' },
    ]);
  });

  it('writes a mask that is a word of YAML as a text', () => {
    expect(changed((was) => setMask(was, column(was), 'null'))).toContain('"a: b": "null"\n');
  });

  it('finds columns that stand directly in the schema, and the shape of the source', () => {
    const text = 'schema: { id: int64, on_extra_column: fail }\nsources:\n  - type: local\n    shape: {}\n';
    expect(columnsOf(readYaml(text), [], new Map()).map(({ name }) => name)).toEqual(['id']);
    const id = column('', 'a: b');
    expect(setMask(text, id, 'redact')).toContain('shape: { mask: { "a: b": redact } }');
  });
});
