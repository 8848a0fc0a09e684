const COUNT = new Intl.NumberFormat('en-US');
const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'long' });

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** `1,234,567`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : COUNT.format(value);
}

/** `1.2M`, for places too narrow for every digit. */
export function compact(value: number): string {
  return COMPACT.format(value);
}

/** `14.2 MB`, in powers of 1000 as file managers show it. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(value < 1 ? 0 : Math.floor(Math.log10(value) / 3), units.length - 1);
  const scaled = value / 1000 ** power;
  return `${power === 0 ? scaled : scaled.toFixed(scaled < 10 ? 1 : 0)} ${units[power]}`;
}

/** `340 ms`, `12.4 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.round(minutes / 1440)} days`;
}

/** `30 s`, `5 min`, `2 h`: an interval in the largest unit that divides it. */
export function interval(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** `5 minutes ago`, `in 2 hours`, `just now`. */
export function relative(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.round(seconds / size), unit);
  }
  if (seconds > 20) return `in ${seconds} seconds`;
  if (seconds > 2) return 'in a moment';
  return seconds < -20 ? `${-seconds} seconds ago` : 'just now';
}

/** `2026-11-25 23:49:16.123 UTC`: exact, and independent of the reader's zone. */
export function exactUtc(at: number): string {
  return `${new Date(at).toISOString().replace('T', ' ').replace('Z', '')} UTC`;
}

/** `Nov 25, 23:49:16`, in the zone of the reader or UTC. Years other than the current one are shown. */
export function clockTime(at: number, zone: 'local' | 'utc', now: number = Date.now()): string {
  const timeZone = zone === 'utc' ? 'UTC' : undefined;
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    year: sameYear ? undefined : 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** `2026-11-25 23:49`, as tables of versions show it. */
export function minuteTime(at: number, zone: 'local' | 'utc'): string {
  const parts = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone === 'utc' ? 'UTC' : undefined,
    dateStyle: 'short',
    timeStyle: 'short',
  }).format(at);
  return parts;
}

/** `1 row`, `2 rows`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${COUNT.format(value)} ${value === 1 ? one : many}`;
}
