import { different, differentShort, ends, percent, sentence } from './profile-words';

describe('the words of a profile', () => {
  it('show a small share and a nearly whole one for what they are', () => {
    expect([
      percent(0, 10),
      percent(1, 1_000_000),
      percent(3, 200),
      percent(1, 2),
      percent(999_999, 1_000_000),
      percent(7, 7),
      percent(0, 0),
    ]).toEqual(['0 %', '< 0.1 %', '1.5 %', '50 %', '> 99.9 %', '100 %', '0 %']);
  });

  it('say whether different values were counted or estimated', () => {
    expect(different({ distinct: 256, distinct_exact: true })).toBe('256');
    expect(different({ distinct: 123_456 })).toBe('about 123,000');
    expect(differentShort({ distinct: 123_456 })).toBe('≈ 123K');
  });

  it('show both ends, and an empty text', () => {
    expect(ends({ min: '1', max: '9' })).toBe('1 – 9');
    expect(ends({ min: '', max: 'z' })).toBe('(empty) – z');
    expect(ends({ min: 'x', max: 'x' })).toBe('x');
    expect(ends({})).toBe('');
  });

  it('are a sentence for a screen reader', () => {
    expect(sentence({ nulls: 1, distinct: 2, distinct_exact: true, min: 'a', max: 'b' }, 4)).toBe(
      '25 % missing, 2 different of 4 rows, a – b',
    );
  });
});
