import { Role } from '../core/session';
import { IconName } from '../shared/icon-names';

/** A place in the menu. */
export interface Place {
  path: string;
  label: string;
  icon: IconName;
  /** Pressed after `g`. */
  key: string;
}

/** A group of menu entries. */
export interface Section {
  label?: string;
  places: Place[];
}

const ADMIN: Section[] = [
  {
    places: [
      { path: '/admin', label: 'Overview', icon: 'home', key: 'o' },
      { path: '/new-job', label: 'New job', icon: 'plus', key: 'n' },
    ],
  },
  {
    label: 'Pipelines',
    places: [
      { path: '/pipelines', label: 'Pipelines', icon: 'workflow', key: 'p' },
      { path: '/runs', label: 'Runs', icon: 'activity', key: 'r' },
      { path: '/backfills', label: 'Backfills', icon: 'layers', key: 'b' },
      { path: '/schedules', label: 'Schedules', icon: 'calendar', key: 's' },
      { path: '/config-history', label: 'Configs', icon: 'history', key: 'c' },
      { path: '/files', label: 'Files', icon: 'upload', key: 'f' },
    ],
  },
  {
    label: 'Data',
    places: [
      { path: '/data-view', label: 'Data', icon: 'table', key: 'd' },
      { path: '/quarantine', label: 'Quarantine', icon: 'shield', key: 'q' },
    ],
  },
  {
    label: 'System',
    places: [
      { path: '/logs', label: 'Logs', icon: 'logs', key: 'l' },
      { path: '/workers', label: 'Workers', icon: 'server', key: 'w' },
      { path: '/retention', label: 'Retention', icon: 'trash', key: 't' },
      { path: '/users', label: 'Users', icon: 'users', key: 'u' },
      { path: '/api-tokens', label: 'API tokens', icon: 'key', key: 'k' },
      { path: '/secrets', label: 'Secrets', icon: 'lock', key: 'e' },
      { path: '/notifications', label: 'Notifications', icon: 'alert', key: 'm' },
      { path: '/audit', label: 'Audit', icon: 'list-checks', key: 'a' },
      { path: '/coverage', label: 'Coverage', icon: 'shield-check', key: 'v' },
    ],
  },
];

const USER: Section[] = [
  {
    places: [
      { path: '/user', label: 'Home', icon: 'home', key: 'o' },
      { path: '/data-view', label: 'Data', icon: 'table', key: 'd' },
      { path: '/upload-config', label: 'Upload config', icon: 'upload', key: 'c' },
      { path: '/files', label: 'Files', icon: 'file', key: 'f' },
      { path: '/api-tokens', label: 'API tokens', icon: 'key', key: 'k' },
      { path: '/coverage', label: 'Coverage', icon: 'shield-check', key: 'v' },
    ],
  },
];

/** The menu of a role. Entries that a role may not open are not in its page at all, not even hidden. */
export function sectionsFor(role: Role | undefined): Section[] {
  if (role === 'admin') return ADMIN;
  return role === 'user' ? USER : [];
}
