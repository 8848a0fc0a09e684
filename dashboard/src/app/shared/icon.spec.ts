import { readFileSync } from 'node:fs';

import { ICON_NAMES } from './icon-names';

describe('icons', () => {
  it('are drawn in the sprite, one for each name', () => {
    const sprite = readFileSync('public/icons.svg', 'utf8');
    const drawn = [...sprite.matchAll(/<symbol id="([^"]+)"/g)].map((match) => match[1]);
    expect(drawn.toSorted()).toEqual([...ICON_NAMES].toSorted());
  });
});
