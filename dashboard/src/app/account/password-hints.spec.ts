import { hintsFor } from './password-hints';

const met = (password: string, repeated = password): boolean[] =>
  hintsFor(password, repeated).map((hint) => hint.met);

describe('hints for a new password', () => {
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
});
