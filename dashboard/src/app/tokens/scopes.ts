import { TokenScope } from '../core/api/models';
import { Role } from '../core/session';

/** A scope, and what it allows. */
export interface ScopeChoice {
  scope: TokenScope;
  does: string;
  /** Only for owners with the role `admin`. */
  forAdmins: boolean;
}

const SCOPES: ScopeChoice[] = [
  { scope: 'trigger', does: 'start, stop, retry and undo runs, change schedules', forAdmins: true },
  { scope: 'read', does: 'read runs, schedules, configs and log lines', forAdmins: true },
  { scope: 'upload', does: 'check and store configs, and upload files', forAdmins: false },
  { scope: 'data', does: 'read rows of tables', forAdmins: false },
  { scope: 'admin', does: 'read users and the audit, approve host keys', forAdmins: true },
];

/** The scopes that a token of an owner with this role can have. */
export function scopesFor(role: Role | undefined): ScopeChoice[] {
  return SCOPES.filter((choice) => role === 'admin' || !choice.forAdmins);
}

const CALLS: Record<TokenScope, string> = {
  trigger: '-F file=@pipeline.yaml ADDRESS/trigger-job',
  read: 'ADDRESS/runs',
  upload: '-F file=@pipeline.yaml ADDRESS/upload-config',
  data: '-F file=@pipeline.yaml ADDRESS/data-view',
  admin: 'ADDRESS/audit',
};

/** An example call for these scopes. It names a variable in place of the token, so that the token stays out of the shell history. */
export function exampleCall(scopes: TokenScope[], address: string): string {
  const scope = scopesFor('admin').find((choice) => scopes.includes(choice.scope))?.scope ?? 'read';
  return `curl -H "Authorization: Bearer $ELT_TOKEN" ${CALLS[scope].replace('ADDRESS', address)}`;
}

/** The names in a text with one name per line. `undefined` when it has no names. */
export function namesIn(text: string): string[] | undefined {
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return names.length === 0 ? undefined : names;
}
