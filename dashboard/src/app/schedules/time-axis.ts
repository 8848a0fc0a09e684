import { Schedule } from '../core/api/models';

/** Times of a schedule that the server lists at most. */
const LISTED = 10;

/** The window and the times of one schedule on the timeline, in percent of its width. */
export interface Lane {
  schedule: Schedule;
  left: number;
  width: number;
  openStart: boolean;
  openEnd: boolean;
  fires: { at: string; left: number }[];
  /** Where the times that are not listed one by one begin and end. `undefined` when all times are listed. */
  further?: { left: number; width: number };
}

/** A line across the timeline, and its label. */
export interface Mark {
  left: number;
  label: string;
}

/** One lane for each schedule, on a timeline between `from` and `to` in milliseconds since 1970. */
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
      further: furtherOf(schedule, right, place),
    };
  });
}

/** The part of a lane after the last time that the server lists, because a frequent schedule has more of them there. */
function furtherOf(
  schedule: Schedule,
  right: number,
  place: (at: number) => number,
): { left: number; width: number } | undefined {
  const last = schedule.upcoming.at(-1);
  if (last === undefined || schedule.upcoming.length < LISTED) return undefined;
  const left = place(Date.parse(last));
  return left < right ? { left, width: right - left } : undefined;
}

/** Marks at round hours or days, about eight at most. */
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
  // Marks are at whole hours of the reader's zone, even where it differs from UTC by half an hour.
  const offset = zone === 'UTC' ? 0 : new Date(from).getTimezoneOffset() * 60_000;
  // No mark near the right end, because its label would not fit there.
  for (let at = Math.ceil((from - offset) / step) * step + offset; at < to - (to - from) / 14; at += step) {
    marks.push({ left: ((at - from) / (to - from)) * 100, label: format.format(at) });
  }
  return marks;
}
