import { CatchUp, CreateSchedule, Overlap, Timing, Unwanted } from '../core/api/models';

/** What the fields of the schedule dialog hold; times as `datetime-local` writes them, in the browser's zone. */
export interface Fields {
  start: string;
  end: string;
  cron: string;
  timezone: string;
  overlap: Overlap;
  catchUp: CatchUp;
  monitor: boolean;
}

/** The values of the YAML, as the fields show them. */
export function fieldsOf(timing: Timing): Fields {
  return {
    start: toLocal(timing.start_at),
    end: toLocal(timing.end_at),
    cron: timing.cron ?? '',
    timezone: timing.cron_timezone,
    overlap: timing.overlap as Overlap,
    catchUp: timing.catch_up as CatchUp,
    monitor: timing.monitor,
  };
}

/** The request for a schedule. It contains only what differs from the YAML, which decides everything else. */
export function requestOf(config: number, yaml: Fields, wanted: Fields): CreateSchedule {
  const request: CreateSchedule = { config_id: config };
  const without: Unwanted[] = [];
  if (wanted.start !== yaml.start) {
    if (wanted.start === '') without.push('start_at');
    else request.start_at = toInstant(wanted.start);
  }
  if (wanted.end !== yaml.end) {
    if (wanted.end === '') without.push('end_at');
    else request.end_at = toInstant(wanted.end);
  }
  const cron = wanted.cron.trim();
  if (cron === '') {
    if (yaml.cron !== '') without.push('cron');
  } else {
    if (cron !== yaml.cron) request.cron = cron;
    if (wanted.timezone !== yaml.timezone) request.timezone = wanted.timezone;
    if (wanted.overlap !== yaml.overlap) request.overlap = wanted.overlap;
    if (wanted.catchUp !== yaml.catchUp) request.catch_up = wanted.catchUp;
  }
  if (wanted.monitor !== yaml.monitor) request.monitor = wanted.monitor;
  if (without.length > 0) request.without = without;
  return request;
}

/** Whether the schedule can ever start a run: at a fixed time, at a changed source, or at a start in the future. */
export function fires(wanted: Fields, now: number): boolean {
  const starts = wanted.start !== '' && Date.parse(wanted.start) > now;
  return wanted.monitor || wanted.cron.trim() !== '' || starts;
}

/** An instant as `datetime-local` shows it, in the browser's zone. */
function toLocal(instant: string | null | undefined): string {
  if (!instant) return '';
  const at = new Date(instant);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const seconds = at.getSeconds() === 0 ? '' : `:${two(at.getSeconds())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}${seconds}`;
}

function toInstant(picked: string): string {
  return new Date(picked).toISOString();
}
