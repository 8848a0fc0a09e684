import { chooseTwo } from './compare-button';

describe('what is chosen to compare', () => {
  it('is at most two, the last ones', () => {
    expect(chooseTwo([], 1)).toEqual([1]);
    expect(chooseTwo([1], 2)).toEqual([1, 2]);
    expect(chooseTwo([1, 2], 3)).toEqual([2, 3]);
  });

  it('is let go when it is chosen again', () => {
    expect(chooseTwo([1, 2], 1)).toEqual([2]);
  });
});
