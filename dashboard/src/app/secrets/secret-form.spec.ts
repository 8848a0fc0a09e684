import { SecretView } from '../core/api/models';
import { fieldsOf, isValue, nameProblem, requestOf } from './secret-form';

const STORED: SecretView = {
  name: 'warehouse.password',
  description: 'The warehouse',
  pipelines: ['orders', 'people'],
  usable_by_users: false,
  version: 2,
  created_at: '2026-11-29T10:00:00Z',
  created_by: 'admin',
  updated_at: '2026-11-29T10:00:00Z',
  updated_by: 'admin',
  used_by: ['orders'],
};

describe('the form of a secret', () => {
  it('never contains the stored value, and sends none that was not typed', () => {
    const fields = fieldsOf(STORED);
    expect(fields.value).toBe('');
    expect(requestOf(fields)).toEqual({
      description: 'The warehouse',
      pipelines: ['orders', 'people'],
      usable_by_users: false,
    });
    expect(requestOf({ ...fields, value: ' with spaces ' }).value).toBe(' with spaces ');
  });

  it('grants all pipelines, or only those that are named', () => {
    expect(requestOf({ ...fieldsOf(STORED), all: true }).pipelines).toEqual(['*']);
    expect(fieldsOf({ ...STORED, pipelines: ['*'] })).toMatchObject({ all: true, pipelines: [] });
    expect(requestOf(fieldsOf()).pipelines).toEqual([]);
  });

  it('accepts the names that configs can refer to', () => {
    for (const name of ['', 'a', 'warehouse.password', 'A_b-9', 'x'.repeat(64)]) {
      expect(nameProblem(name, []), name).toBeUndefined();
    }
    for (const name of ['a b', 'a}', 'é', 'a/b', '${secret:a}', 'x'.repeat(65)]) {
      expect(nameProblem(name, []), name).toContain('A name has up to 64');
    }
    expect(nameProblem('taken', ['taken'])).toContain('exists');
  });

  it('refuses values that are too short to be hidden in messages', () => {
    expect(['', 'abc', '   a   ', 'é'].map(isValue)).toEqual([false, false, false, false]);
    expect(['abcd', 'éé', '-----BEGIN KEY-----\n'].map(isValue)).toEqual([true, true, true]);
  });
});
