import { pageOf } from './audit-details';

describe('the page of an object in the audit', () => {
  it('is that of a run or a config', () => {
    expect(pageOf('run 0199a0f2-7b1c-7000-8000-0123456789ab')).toEqual([
      '/runs',
      '0199a0f2-7b1c-7000-8000-0123456789ab',
    ]);
    expect(pageOf('config 12')).toEqual(['/config-history', '12']);
  });

  it('is missing for other objects and for texts that only look like one', () => {
    for (const other of [
      undefined,
      null,
      '',
      'user ann',
      '/config/1',
      'run ../users',
      'config 12 13',
      'run ',
    ]) {
      expect(pageOf(other), String(other)).toBeUndefined();
    }
  });
});
