import { isAcceptable, rulesFor } from './password-rules';

const met = (password: string, repeated = password): boolean[] =>
  rulesFor(password, repeated).map((rule) => rule.met);

describe('rules for a new password', () => {
  it('count characters as people do', () => {
    expect(met('')).toEqual([false, false, false]);
    expect(met('short 1')).toEqual([false, true, true]);
    expect(met('🦀🦀🦀🦀')).toEqual([false, false, true]);
    expect(met('four words of mine')).toEqual([true, true, true]);
    expect(met('x'.repeat(257))[0]).toBe(false);
  });

  it('notice few different characters and a typing error', () => {
    expect(met('aAaAaAaA')).toEqual([true, false, true]);
    expect(met('four words of mine', 'four words of mind')).toEqual([true, true, false]);
  });

  it('ask for no repetition where there is one field', () => {
    expect(rulesFor('four words of mine')).toHaveLength(2);
    expect(isAcceptable('four words of mine')).toBe(true);
    expect(isAcceptable('four words of mine', '')).toBe(false);
    expect(isAcceptable('1111 111')).toBe(false);
  });
});
