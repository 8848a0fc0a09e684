import { TestBed } from '@angular/core/testing';

import { Draft } from './draft';
import { Session } from './session';

function jwt(sub: string, exp: number): string {
  return `x.${btoa(JSON.stringify({ sub, exp }))}.x`;
}

const LATER = 4_000_000_000;

describe('Draft', () => {
  beforeEach(() => {
    localStorage.clear();
    sessionStorage.clear();
  });

  function begin(name: string, exp = LATER): { session: Session; draft: Draft } {
    const session = TestBed.inject(Session);
    session.begin(jwt(name, exp), 'admin');
    const draft = TestBed.inject(Draft);
    TestBed.tick();
    return { session, draft };
  }

  it('is there again for the person who wrote it, and hidden from others', () => {
    const { session, draft } = begin('ann');
    draft.keep({ yaml: 'name: people', from: '7' });
    expect(draft.read()).toEqual({ yaml: 'name: people', from: '7' });
    session.begin(jwt('bob', LATER), 'admin');
    expect(draft.read()).toBeUndefined();
  });

  it('is deleted by a logout', () => {
    const { session, draft } = begin('ann');
    draft.keep({ yaml: 'password: secret' });
    session.end();
    TestBed.tick();
    expect(sessionStorage.length).toBe(0);
  });

  it('survives a session that ran out', () => {
    const { session, draft } = begin('ann', 1_000);
    draft.keep({ yaml: 'name: people' });
    session.end();
    TestBed.tick();
    session.begin(jwt('ann', LATER), 'admin');
    expect(draft.read()?.yaml).toBe('name: people');
  });

  it('ignores what is not a draft in its storage', () => {
    const { draft } = begin('ann');
    for (const odd of ['{', '7', '{"yaml": 3, "by": "ann"}', 'null']) {
      sessionStorage.setItem('elt.draft', odd);
      expect(draft.read()).toBeUndefined();
    }
  });
});
