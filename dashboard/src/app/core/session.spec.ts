import { TestBed } from '@angular/core/testing';

import { Session, readClaims } from './session';

function jwt(claims: object): string {
  const payload = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(claims))));
  return `x.${payload.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.x`;
}

describe('Session', () => {
  beforeEach(() => localStorage.clear());

  it('keeps token and role where older clients look for them', () => {
    const session = TestBed.inject(Session);
    session.begin(jwt({ sub: 'Zoë', exp: 4_000_000_000 }), 'user');
    expect(localStorage.getItem('role')).toBe('user');
    expect(localStorage.getItem('token')).toContain('x.');
    expect(session.username()).toBe('Zoë');
    expect(session.landing()).toBe('/user');
    expect(session.isActive()).toBe(true);
    session.end();
    expect(localStorage.getItem('token')).toBeNull();
    expect(session.isActive()).toBe(false);
  });

  it('is over once the token expired', () => {
    const session = TestBed.inject(Session);
    session.begin(jwt({ sub: 'ann', exp: 1000 }), 'admin');
    expect(session.isActive(999_000)).toBe(true);
    expect(session.isActive(1_000_001)).toBe(false);
  });

  it('takes garbage for no session', () => {
    localStorage.setItem('token', 'garbage');
    localStorage.setItem('role', 'admin');
    expect(TestBed.inject(Session).token()).toBeUndefined();
    expect(readClaims('a.b')).toBeUndefined();
    expect(readClaims(jwt({ sub: 1 }))).toBeUndefined();
  });
});
