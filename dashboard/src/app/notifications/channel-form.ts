import { PutChannel } from '../core/api/models';

/** The fields of the dialog for a channel, as they are typed. */
export interface ChannelFields {
  name: string;
  kind: 'webhook' | 'email';
  webhook: string;
  /** Empty: by the host of the address. */
  format: string;
  secret: string;
  /** Addresses, separated by commas or line breaks. */
  email: string;
  from: string;
  smtp: string;
  smtpCa: string;
}

export const EMPTY: ChannelFields = {
  name: '',
  kind: 'webhook',
  webhook: '',
  format: '',
  secret: '',
  email: '',
  from: '',
  smtp: '',
  smtpCa: '',
};

export const FORMATS: readonly { value: string; words: string }[] = [
  { value: '', words: 'By the host of the address' },
  { value: 'generic', words: 'Generic JSON' },
  { value: 'slack', words: 'Slack' },
  { value: 'teams', words: 'Microsoft Teams' },
  { value: 'discord', words: 'Discord' },
];

/** Why a channel cannot have this name. `undefined` while nothing is typed, and when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '' || /^[A-Za-z0-9_.-]{1,64}$/.test(name)) return undefined;
  return 'A name has up to 64 letters, digits, "_", "-" and ".".';
}

/** Whether everything that the server needs is typed. */
export function isComplete(fields: ChannelFields): boolean {
  if (fields.name === '' || nameProblem(fields.name) !== undefined) return false;
  if (fields.kind === 'webhook') return fields.webhook.trim() !== '';
  return receivers(fields.email).length > 0 && fields.from.trim() !== '' && fields.smtp.trim() !== '';
}

/** The request that stores the channel. It has only what belongs to its kind. */
export function requestOf(fields: ChannelFields): PutChannel {
  if (fields.kind === 'webhook') {
    return {
      webhook: fields.webhook.trim(),
      ...(fields.format === '' ? {} : { format: fields.format }),
      ...(fields.secret === '' ? {} : { secret: fields.secret }),
    };
  }
  return {
    email: receivers(fields.email),
    from: fields.from.trim(),
    smtp: fields.smtp.trim(),
    ...(fields.smtpCa.trim() === '' ? {} : { smtp_ca: fields.smtpCa }),
  };
}

function receivers(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((one) => one.trim())
    .filter((one) => one !== '');
}
