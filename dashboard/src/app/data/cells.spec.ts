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

  it('shows what cannot be seen, and keeps the value as it is', () => {
    expect(cellOf('a\u202etxt.exe', 'text').text).toBe('a[U+202E]txt.exe');
    expect(cellOf('\u0007', 'text').text).toBe('[U+0007]');
    expect(cellOf('a\tb\nc', 'text').text).toBe('a\tb\nc');
    expect(cellOf('👩\u200d💻', 'text').text).toBe('👩\u200d💻');
    expect(cellOf('   ', 'text')).toEqual({ text: '3 blanks', kind: 'blank' });
    expect(spelledOut('a\u202eb', 'text')).toBe('a\u202eb');
    expect(spelledOut('   ', 'text')).toBe('   ');
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
