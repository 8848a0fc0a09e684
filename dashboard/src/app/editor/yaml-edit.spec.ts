import { removeYaml, renameKey, setYaml } from './yaml-edit';
import { keysOf, readYaml, textAt, textsAt } from './yaml-tree';

const CONFIG = `# Orders of the shop.
name: orders # shown in the dashboard

sources:
  # the feed
  - type: local
    path: "./in: new"   # do not move
    csv: { delimiter: ";" }   # unknown to the form
target:
  table: orders
  # the server is the default one

# the end
`;

describe('a YAML that is changed in one place', () => {
  it('keeps comments, order, blank lines and unknown keys', () => {
    const changed = setYaml(CONFIG, ['sources', 0, 'path'], '/data/in');
    expect(changed).toBe(CONFIG.replace('"./in: new"', '/data/in'));
    expect(setYaml(CONFIG, ['name'], 'a: b')).toBe(CONFIG.replace('name: orders', 'name: "a: b"'));
  });

  it('gets missing keys in their mapping, with the keys above them', () => {
    const changed = setYaml(CONFIG, ['schema', 'columns', 'id'], 'bigint');
    expect(changed).toBe(
      CONFIG.replace('default one\n', 'default one\nschema:\n  columns:\n    id: bigint\n'),
    );
    expect(setYaml(CONFIG, ['sources', 0, 'glob'], 'x')).toContain('# unknown to the form\n    glob: x\n');
    expect(setYaml(CONFIG, ['sources', 0, 'csv', 'quote'], "'")).toContain('{ delimiter: ";", quote: "\'" }');
    expect(setYaml('target: {}\n', ['target', 'table'], '1')).toBe('target: { table: "1" }\n');
    expect(setYaml('# nothing\n', ['sources', 0, 'type'], 'local')).toBe(
      '# nothing\nsources:\n  - type: local\n',
    );
  });

  it('gets a value behind a key that has none', () => {
    expect(setYaml('schema:\nname: x\n', ['schema', 'columns', 'id'], 'text')).toBe(
      'schema:\n  columns:\n    id: text\nname: x\n',
    );
    expect(setYaml('a:\n  host: # why\n', ['a', 'host'], 'h')).toBe('a:\n  host: h # why\n');
  });

  it('quotes what YAML would read as something else', () => {
    const written = (value: string): string => (setYaml('', ['k'], value) ?? '').slice(3, -1);
    for (const value of [
      '007',
      '1e3',
      'true',
      'No',
      '~',
      '',
      ' x',
      'x ',
      'a: b',
      'a #b',
      '- a',
      '*a',
      '2024-01-01',
    ])
      expect(written(value)).toBe(JSON.stringify(value));
    for (const value of [
      'orders',
      '/data/in',
      './in/*.csv',
      'Müller',
      '名前',
      '${secret:NAME}',
      'https://a.example/x?y=1',
    ])
      expect(written(value)).toBe(value);
    for (const value of ['tab\there', 'line\nbreak', '"', '\\', '\u2028', 'a: b', "it's", '🙂'])
      expect(textAt(readYaml(`k: ${written(value)}\n`), ['k'])).toBe(value);
  });

  it('quotes keys and everything in braces more carefully', () => {
    let text = setYaml('name: x\n', ['shape', 'rename', 'a: b'], 'c') ?? '';
    text = setYaml(text, ['shape', 'rename', 'Straße'], 'street') ?? '';
    text = setYaml(text, ['shape', 'rename', '007'], 'agent') ?? '';
    text = setYaml(text, ['load', 'key'], ['id', 'a, b']) ?? '';
    expect(text).toBe(
      'name: x\nshape:\n  rename:\n    "a: b": c\n    Straße: street\n    "007": agent\nload:\n  key: [id, "a, b"]\n',
    );
    expect(keysOf(readYaml(text), ['shape', 'rename'])).toEqual(['a: b', 'Straße', '007']);
    expect(textsAt(readYaml(text), ['load', 'key'])).toEqual(['id', 'a, b']);
    expect(setYaml('a:\n', ['a', 'b'], { type: 'decimal(18,2)', nullable: false })).toBe(
      'a:\n  b: { type: "decimal(18,2)", nullable: false }\n',
    );
  });

  it('loses only what is removed', () => {
    expect(removeYaml(CONFIG, ['sources', 0, 'csv'])).toBe(
      CONFIG.replace('    csv: { delimiter: ";" }   # unknown to the form\n', ''),
    );
    expect(removeYaml(CONFIG, ['sources', 0, 'type'])).toContain('  # the feed\n  - path: "./in: new"');
    expect(removeYaml('a: { b: 1, c: 2 }\n', ['a', 'c'])).toBe('a: { b: 1 }\n');
    expect(removeYaml('x: 1\na:\n  b:\n    c: 2\n', ['a', 'b', 'c'])).toBe('x: 1\n');
    expect(removeYaml(CONFIG, ['nothing'])).toBe(CONFIG);
  });

  it('renames a key in its place', () => {
    expect(renameKey('schema:\n  id: text # why\n', ['schema', 'id'], 'a: b')).toBe(
      'schema:\n  "a: b": text # why\n',
    );
  });

  it('is left alone where it cannot be read, or has an alias', () => {
    expect(setYaml('a: [1\n', ['b'], 'x')).toBeUndefined();
    expect(setYaml('a: *b\n', ['a', 'c'], 'x')).toBeUndefined();
    expect(readYaml('name: x\nlist: [1, 2\n').fault?.line).toBeGreaterThan(1);
    expect(readYaml('- a\n').fault).toEqual({ line: 1, column: 1 });
  });
});
