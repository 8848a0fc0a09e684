import { isFailedImport } from './missing-code';

describe('isFailedImport', () => {
  it.each([
    'Failed to fetch dynamically imported module: http://127.0.0.1/ui/chunk-ABC.js',
    'error loading dynamically imported module: http://127.0.0.1/ui/chunk-ABC.js',
    'Importing a module script failed.',
  ])('knows %s', (message) => expect(isFailedImport(new TypeError(message))).toBe(true));

  it('leaves other errors alone', () => {
    expect(isFailedImport(new TypeError('Failed to fetch'))).toBe(false);
    expect(isFailedImport('a text')).toBe(false);
  });
});
