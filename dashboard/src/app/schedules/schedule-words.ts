import { Schedule } from '../core/api/models';
import { clockTime, interval } from '../core/format';
import { cronWords } from './cron-words';

/** What starts the runs of a schedule, in words. */
export function rhythm(schedule: Schedule): string {
  const parts = [];
  if (schedule.cron) parts.push(cronWords(schedule.cron));
  if (schedule.monitor) {
    const every = schedule.interval_seconds ? ` every ${interval(schedule.interval_seconds)}` : '';
    parts.push(`Checks for changed sources${every}.`);
  }
  return parts.length === 0 ? 'Runs once.' : parts.join(' ');
}

/** One of the times of a schedule in its own zone. */
export function inZone(at: string, zone: string): string {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      month: 'short',
      day: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'short',
    }).format(Date.parse(at));
  } catch {
    return clockTime(Date.parse(at), 'utc');
  }
}
