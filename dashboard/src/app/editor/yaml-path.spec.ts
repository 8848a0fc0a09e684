import { placeAt } from './yaml-path';

/** The place of `|` in a text. */
function at(text: string): ReturnType<typeof placeAt> {
  const before = text.slice(0, text.indexOf('|')).split('\n');
  return placeAt(text.replace('|', '').split('\n'), before.length - 1, (before.at(-1) ?? '').length);
}

describe('placeAt', () => {
  it('knows the top level', () => {
    expect(at('name: people\nsou|')).toEqual({ path: [], word: 'sou' });
  });

  it('knows the keys of a list item, on its first line and below', () => {
    expect(at('sources:\n  - ty|')).toEqual({ path: ['sources', '[]'], word: 'ty' });
    expect(at('sources:\n  - type: local\n    pa|')).toEqual({ path: ['sources', '[]'], word: 'pa' });
    expect(at('sources:\n- type: local\n  pa|')).toEqual({ path: ['sources', '[]'], word: 'pa' });
  });

  it('knows which key a value belongs to', () => {
    expect(at('sources:\n  - type: lo|')).toEqual({ path: ['sources', '[]'], key: 'type', word: 'lo' });
    expect(at('load:\n  mode: |')).toEqual({ path: ['load'], key: 'mode', word: '' });
  });

  it('steps over siblings, comments and empty lines', () => {
    expect(at('sources:\n  - type: sftp\n    sftp:\n      host: a\n\n  # more\n  - |')).toEqual({
      path: ['sources', '[]'],
      word: '',
    });
    expect(at('sources:\n  - type: sftp\n    sftp:\n      host: a\n      po|')).toEqual({
      path: ['sources', '[]', 'sftp'],
      word: 'po',
    });
    expect(at('target:\n  table: a\nschema:\n  columns:\n    id: in|')).toEqual({
      path: ['schema', 'columns'],
      key: 'id',
      word: 'in',
    });
  });

  it('is undefined in comments and flow style', () => {
    expect(at('# na|')).toBeUndefined();
    expect(at('target: {ty|')).toBeUndefined();
  });
});
