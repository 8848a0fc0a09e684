import { cellOf, isNumeric, nextSort, spelledOut } from './cells';

describe('cells', () => {
  it('tells NULL, empty, zero, false and "null" apart', () => {
    const shown = [null, '', 0, false, 'null'].map((value) => cellOf(value, 'text'));
    expect(new Set(shown.map((cell) => `${cell.kind} ${cell.text}`)).size).toBe(5);
  });

  it('keeps every digit of a number that came as text', () => {
    expect(cellOf('12345678901234567890.10', 'numeric')).toEqual({
      text: '12345678901234567890.10',
      kind: 'number',
    });
    expect(cellOf('12', 'text').kind).toBe('text');
  });

  it('knows which types line up at the right', () => {
    expect(['bigint', 'numeric(18,2)', 'double precision'].every(isNumeric)).toBe(true);
    expect(isNumeric('text')).toBe(false);
  });

  it('indents JSON', () => {
    expect(spelledOut({ a: 1 }, 'jsonb')).toBe('{\n  "a": 1\n}');
    expect(spelledOut('{broken', 'jsonb')).toBe('{broken');
  });

  it('sorts up, down, and not at all', () => {
    expect(nextSort(undefined, 'a')).toBe('a');
    expect(nextSort('a', 'a')).toBe('-a');
    expect(nextSort('-a', 'a')).toBeUndefined();
    expect(nextSort('b', 'a')).toBe('a');
  });
});
