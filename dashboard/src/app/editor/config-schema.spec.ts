import { JsonSchema, keysAt, valuesAt } from './config-schema';

const schema: JsonSchema = {
  properties: {
    name: { type: 'string', description: 'Pipeline name.' },
    strict_mode: { type: 'boolean' },
    sources: { type: 'array', items: { $ref: '#/$defs/Source' } },
    load: { properties: { mode: { enum: ['append', 'merge', 'replace'] } } },
    schema: { properties: { columns: { additionalProperties: { enum: ['int64', 'object'] } } } },
  },
  $defs: {
    Source: { oneOf: [{ $ref: '#/$defs/Local' }, { $ref: '#/$defs/Api' }] },
    Local: { properties: { type: { const: 'local' }, path: { type: 'string' } } },
    Api: { properties: { type: { const: 'api' }, url: { type: 'string' } } },
  },
};

describe('config schema', () => {
  it('offers keys with their kind and description', () => {
    expect(keysAt(schema, [])[0]).toEqual({ label: 'name', detail: 'string', info: 'Pipeline name.' });
  });

  it('offers the keys of every variant of a list item, once', () => {
    expect(keysAt(schema, ['sources', '[]']).map((key) => key.label)).toEqual(['type', 'path', 'url']);
  });

  it('offers the values of an enum, a constant, a boolean and a free-form mapping', () => {
    const labels = (path: string[], key: string) => valuesAt(schema, path, key).map((value) => value.label);
    expect(labels(['load'], 'mode')).toEqual(['append', 'merge', 'replace']);
    expect(labels(['sources', '[]'], 'type')).toEqual(['local', 'api']);
    expect(labels([], 'strict_mode')).toEqual(['true', 'false']);
    expect(labels(['schema', 'columns'], 'id')).toEqual(['int64', 'object']);
  });

  it('offers no keys where the schema ends', () => {
    expect(keysAt(schema, ['nowhere', 'deeper'])).toEqual([]);
  });
});
