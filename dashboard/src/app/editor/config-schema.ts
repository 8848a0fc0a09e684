/** The part of JSON Schema that the schema of configs uses. */
export interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  definitions?: Record<string, JsonSchema>;
  description?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  oneOf?: JsonSchema[];
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
}

/** A key or a value that fits at the cursor. */
export interface Suggestion {
  label: string;
  detail?: string;
  info?: string;
}

/** The keys of the mapping at `path`. */
export function keysAt(root: JsonSchema, path: readonly string[]): Suggestion[] {
  const found = new Map<string, Suggestion>();
  for (const schema of descend(root, path)) {
    for (const [key, value] of Object.entries(schema.properties ?? {})) {
      if (found.has(key)) continue;
      const flat = variants(root, value);
      const info = value.description ?? flat.find((one) => one.description !== undefined)?.description;
      found.set(key, { label: key, detail: kindOf(flat), info });
    }
  }
  return [...found.values()];
}

/** The values that `key` of the mapping at `path` can have. */
export function valuesAt(root: JsonSchema, path: readonly string[], key: string): Suggestion[] {
  const values = descend(root, [...path, key]).flatMap((schema) => [
    ...(schema.enum ?? []),
    ...(schema.const === undefined ? [] : [schema.const]),
    ...(schema.type === 'boolean' ? [true, false] : []),
  ]);
  return [...new Set(values.filter((value) => value !== null).map(String))].map((label) => ({ label }));
}

function descend(root: JsonSchema, path: readonly string[]): JsonSchema[] {
  let here = variants(root, root);
  for (const step of path) {
    here = here.flatMap((schema) => {
      const next = step === '[]' ? schema.items : (schema.properties?.[step] ?? otherProperties(schema));
      return next === undefined ? [] : variants(root, next);
    });
  }
  return here;
}

function otherProperties(schema: JsonSchema): JsonSchema | undefined {
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

/** A schema and all its alternatives, with references resolved. */
function variants(root: JsonSchema, schema: JsonSchema, depth = 0): JsonSchema[] {
  if (depth > 12) return [];
  const parts = [
    ...(schema.$ref === undefined ? [] : [resolve(root, schema.$ref)]),
    ...(schema.oneOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.allOf ?? []),
  ].filter((part) => part !== undefined);
  return [schema, ...parts.flatMap((part) => variants(root, part, depth + 1))];
}

function resolve(root: JsonSchema, reference: string): JsonSchema | undefined {
  const name = reference.split('/').at(-1) ?? '';
  return root.$defs?.[name] ?? root.definitions?.[name];
}

function kindOf(schemas: JsonSchema[]): string | undefined {
  const kinds = new Set(schemas.flatMap((schema) => schema.type ?? []).filter((kind) => kind !== 'null'));
  if (kinds.size === 0) return undefined;
  // Called text, because the server reads 5432 and "5432" alike.
  if (['string', 'number', 'boolean'].every((kind) => kinds.has(kind))) return 'text';
  return [...kinds].join(' | ');
}
