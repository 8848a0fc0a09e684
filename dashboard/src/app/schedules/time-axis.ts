import { Schedule } from '../core/api/models';

/** What a schedule does between two instants, in percent of the axis. */
export interface Lane {
  schedule: Schedule;
  left: number;
  width: number;
  openStart: boolean;
  openEnd: boolean;
  fires: { at: string; left: number }[];
}

/** A line across the axis, and what it says. */
export interface Mark {
  left: number;
  label: string;
}

/** Where schedules lie between `from` and `to`, in milliseconds since 1970. */
export function lanesOf(schedules: readonly Schedule[], from: number, to: number): Lane[] {
  const place = (at: number): number => ((Math.min(Math.max(at, from), to) - from) / (to - from)) * 100;
  return schedules.map((schedule) => {
    const start = Date.parse(schedule.start_at ?? schedule.created_at);
    const end = schedule.end_at ? Date.parse(schedule.end_at) : undefined;
    const left = place(start);
    const right = place(end ?? to);
    return {
      schedule,
      left,
      width: Math.max(0.6, right - left),
      openStart: start < from,
      openEnd: end === undefined || end > to,
      fires: schedule.upcoming
        .filter((at) => Date.parse(at) >= from && Date.parse(at) <= to)
        .map((at) => ({ at, left: place(Date.parse(at)) })),
    };
  });
}

/** Round hours or days across the axis, at most about eight. */
export function marksOf(from: number, to: number, zone: string | undefined): Mark[] {
  const hour = 3_600_000;
  const steps = [1, 3, 6, 12, 24, 48, 168].map((hours) => hours * hour);
  const step = steps.find((one) => (to - from) / one <= 8) ?? 168 * hour;
  const whole =
    step < 24 * hour
      ? { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
      : { month: 'short', day: 'numeric' };
  const format = new Intl.DateTimeFormat('en-US', {
    ...(whole as Intl.DateTimeFormatOptions),
    timeZone: zone,
  });
  const marks: Mark[] = [];
  // Local hours begin at whole hours of the reader's zone, also where that is half an hour off.
  const offset = zone === 'UTC' ? 0 : new Date(from).getTimezoneOffset() * 60_000;
  // A label needs room at its right.
  for (let at = Math.ceil((from - offset) / step) * step + offset; at < to - (to - from) / 14; at += step) {
    marks.push({ left: ((at - from) / (to - from)) * 100, label: format.format(at) });
  }
  return marks;
}
