import { TestBed } from '@angular/core/testing';

import { Verification } from '../core/api/models';
import { Session } from '../core/session';
import { LastVerification } from './last-verification';

const VERDICT: Verification = {
  at: '2026-11-29T10:00:00Z',
  intact: true,
  verified: 12,
  unchained: 0,
  removed_up_to: 0,
  head: '12:ab',
};

describe('the last verification of the audit', () => {
  beforeEach(() => sessionStorage.clear());

  it('is there again after a reload, with who asked for it', () => {
    const token = `x.${btoa(JSON.stringify({ sub: 'ann', exp: 4_000_000_000 }))}.x`;
    TestBed.inject(Session).begin(token, 'admin');
    TestBed.inject(LastVerification).keep(VERDICT);
    TestBed.resetTestingModule();
    expect(TestBed.inject(LastVerification).current()).toEqual({ verdict: VERDICT, by: 'ann' });
  });

  it('is missing when the storage holds something else', () => {
    for (const odd of ['{', '7', 'null', '{"by":"ann"}', '{"verdict":{"head":"1:a"},"by":"ann"}']) {
      sessionStorage.setItem('elt.auditVerification', odd);
      TestBed.resetTestingModule();
      expect(TestBed.inject(LastVerification).current(), odd).toBeUndefined();
    }
  });
});
