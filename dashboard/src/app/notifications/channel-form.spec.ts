import { EMPTY, isComplete, nameProblem, requestOf } from './channel-form';

describe('the form of a channel', () => {
  it('sends only what belongs to its kind', () => {
    const both = { ...EMPTY, name: 'ops', webhook: ' https://a.example/x ', email: 'a@b.example' };
    expect(requestOf(both)).toEqual({ webhook: 'https://a.example/x' });
    expect(requestOf({ ...both, format: 'slack', secret: 'whsec_x' })).toEqual({
      webhook: 'https://a.example/x',
      format: 'slack',
      secret: 'whsec_x',
    });
    const mail = {
      ...both,
      kind: 'email' as const,
      email: 'a@b.example,\n c@d.example ',
      from: 'e@f.example',
    };
    expect(requestOf({ ...mail, smtp: 'smtps://mail.example' })).toEqual({
      email: ['a@b.example', 'c@d.example'],
      from: 'e@f.example',
      smtp: 'smtps://mail.example',
    });
  });

  it('is complete once the server has what it needs', () => {
    expect(isComplete(EMPTY)).toBe(false);
    expect(isComplete({ ...EMPTY, name: 'ops', webhook: 'https://a.example/x' })).toBe(true);
    expect(isComplete({ ...EMPTY, name: 'o ps', webhook: 'https://a.example/x' })).toBe(false);
    expect(
      isComplete({ ...EMPTY, name: 'ops', kind: 'email', email: 'a@b.example', from: 'c@d.example' }),
    ).toBe(false);
  });

  it('names what is wrong with a name', () => {
    expect(nameProblem('')).toBeUndefined();
    expect(nameProblem('team.a-1_b')).toBeUndefined();
    expect(nameProblem('a b')).toContain('letters');
  });
});
