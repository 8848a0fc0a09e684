import { exampleCall, namesIn, scopesFor } from './scopes';

describe('scopes of a token', () => {
  it('are those that the role of its owner allows', () => {
    const names = (role: 'admin' | 'user') => scopesFor(role).map((choice) => choice.scope);
    expect(names('admin')).toEqual(['trigger', 'read', 'upload', 'data', 'admin']);
    expect(names('user')).toEqual(['upload', 'data']);
    expect(scopesFor(undefined)).toHaveLength(2);
  });

  it('decide the example, which never contains the token', () => {
    expect(exampleCall(['read', 'data'], 'https://elt.example.com')).toBe(
      'curl -H "Authorization: Bearer $ELT_TOKEN" https://elt.example.com/runs',
    );
    expect(exampleCall(['data'], 'https://elt.example.com')).toContain(
      '@pipeline.yaml https://elt.example.com/data-view',
    );
  });
});

describe('names on lines', () => {
  it('are trimmed, and no name means no list', () => {
    expect(namesIn(' orders \n\n people, old\r\n')).toEqual(['orders', 'people, old']);
    expect(namesIn(' \n')).toBeUndefined();
  });
});
