import { PutSecret, SecretView } from '../core/api/models';

/** In place of names of pipelines: all pipelines. */
export const ALL_PIPELINES = '*';
/** Fewest bytes of a value. Shorter ones could not be hidden in messages. */
const SHORTEST_VALUE = 4;
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** The fields of the dialog that stores a secret. */
export interface SecretFields {
  name: string;
  /** Empty: an existing secret keeps its value. */
  value: string;
  description: string;
  all: boolean;
  pipelines: readonly string[];
  usableByUsers: boolean;
}

/** The fields for a new secret, or for a stored one, whose value is never known here. */
export function fieldsOf(secret?: SecretView): SecretFields {
  const pipelines = secret?.pipelines ?? [];
  const all = pipelines.includes(ALL_PIPELINES);
  return {
    name: secret?.name ?? '',
    value: '',
    description: secret?.description ?? '',
    all,
    pipelines: all ? [] : pipelines,
    usableByUsers: secret?.usable_by_users ?? false,
  };
}

/** What is wrong with a name, as a sentence. `undefined`: nothing. */
export function nameProblem(name: string, taken: readonly string[]): string | undefined {
  if (name === '') return undefined;
  if (!NAME.test(name)) return 'A name has up to 64 letters, digits, “_”, “-” and “.”.';
  return taken.includes(name)
    ? 'A secret with this name exists. Close this dialog and change that one.'
    : undefined;
}

/** Whether a value can be stored: it is not empty or too short once spaces at its ends are taken off. */
export function isValue(value: string): boolean {
  return new TextEncoder().encode(value.trim()).length >= SHORTEST_VALUE;
}

/** The request that stores the fields. Without a typed value, it has none, and the stored value stays. */
export function requestOf(fields: SecretFields): PutSecret {
  return {
    ...(fields.value === '' ? {} : { value: fields.value }),
    description: fields.description.trim(),
    pipelines: fields.all ? [ALL_PIPELINES] : [...fields.pipelines],
    usable_by_users: fields.usableByUsers,
  };
}
