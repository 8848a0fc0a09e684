import { LogLine } from '../core/api/models';
import { KEPT, classicLine, cutAt, mergeLines, passes } from './log-buffer';

function line(id: number, message = `line ${id}`): LogLine {
  return {
    id,
    at: '2025-07-18T23:55:41.352Z',
    level: 'WARN',
    target: 't',
    message,
    fields: {},
    process: 'p',
  };
}

describe('log buffer', () => {
  it('keeps lines in order and each once, however they arrive', () => {
    const merged = mergeLines([line(1), line(2), line(4)], [line(5), line(2), line(3)]);
    expect(merged.map((one) => one.id)).toEqual([1, 2, 3, 4, 5]);
  });

  it('keeps the newest when there are too many', () => {
    const many = Array.from({ length: KEPT + 5 }, (_, index) => line(index));
    expect(mergeLines([], many)[0]?.id).toBe(5);
  });

  it('writes the classic format', () => {
    expect(classicLine(line(1, 'a\nb'))).toBe('2025-07-18 23:55:41,352 - WARNING - a\\nb');
  });

  it('finds what was searched for, in any case', () => {
    expect(cutAt('Loaded 3 rows, loaded', 'LOADED')).toEqual([
      { text: 'Loaded', hit: true },
      { text: ' 3 rows, ', hit: false },
      { text: 'loaded', hit: true },
    ]);
    expect(cutAt('abc', '')).toEqual([{ text: 'abc', hit: false }]);
  });

  it('decides as the server does which lines were asked for', () => {
    expect(passes(line(1, 'Loaded'), { level: 'ERROR,WARN', text: 'load' })).toBe(true);
    expect(passes(line(1), { level: 'ERROR' })).toBe(false);
    expect(passes(line(1), { text: 'other' })).toBe(false);
    expect(passes(line(1), {})).toBe(true);
    expect(passes(line(1), { request_id: 'r-1' })).toBe(false);
    expect(passes({ ...line(1), fields: { 'request.id': 'r-1' } }, { request_id: 'r-1' })).toBe(true);
  });
});
