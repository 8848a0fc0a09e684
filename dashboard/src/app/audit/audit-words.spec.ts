import { readFileSync } from 'node:fs';

import { actionWords } from './audit-words';

describe('the words of the audit', () => {
  it('are there for every request that changes something', () => {
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const changing = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => ['post', 'put', 'patch', 'delete'].includes(method))
        .map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(changing.length).toBeGreaterThan(50);
    expect(changing.filter((action) => actionWords(action, 'done') === undefined)).toEqual([]);
  });

  it('do not say that something was done that was refused', () => {
    expect(actionWords('POST /runs/{id}/stop', 'done')).toBe('Stopped a run');
    expect(actionWords('POST /runs/{id}/stop', 'denied')).toBe('Not done: stopped a run');
    expect(actionWords('user list', 'done')).toBeUndefined();
  });
});
