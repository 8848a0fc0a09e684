import { Schedule } from '../core/api/models';
import { lanesOf, marksOf } from './time-axis';

const HOUR = 3_600_000;
const from = Date.UTC(2026, 10, 25, 0);
const at = (hours: number): string => new Date(from + hours * HOUR).toISOString();

function schedule(change: Partial<Schedule>): Schedule {
  return { created_at: at(-5), upcoming: [], ...change } as Schedule;
}

describe('time axis', () => {
  it('places a window and its fires', () => {
    const [lane] = lanesOf(
      [schedule({ start_at: at(6), end_at: at(18), upcoming: [at(12), at(30)] })],
      from,
      from + 24 * HOUR,
    );
    expect(lane).toMatchObject({ left: 25, width: 50, openStart: false, openEnd: false });
    expect(lane?.fires).toEqual([{ at: at(12), left: 50 }]);
  });

  it('lets what has no end run off the edge', () => {
    const [lane] = lanesOf([schedule({})], from, from + 24 * HOUR);
    expect(lane).toMatchObject({ left: 0, width: 100, openStart: true, openEnd: true });
  });

  it('marks round hours, and days on a long axis', () => {
    expect(marksOf(from, from + 24 * HOUR, 'UTC').map((mark) => mark.label)).toEqual([
      '00:00',
      '03:00',
      '06:00',
      '09:00',
      '12:00',
      '15:00',
      '18:00',
      '21:00',
    ]);
    expect(marksOf(from, from + 168 * HOUR, 'UTC')[1]?.label).toBe('Nov 26');
  });
});
