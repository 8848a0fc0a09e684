import { bytes, count, duration, exactUtc, interval, minuteTime, plural, relative } from './format';

describe('format', () => {
  it('writes counts with separators, and a dash for nothing', () => {
    expect(count(1234567)).toBe('1,234,567');
    expect(count(0)).toBe('0');
    expect(count(null)).toBe('–');
  });

  it('writes bytes in the largest fitting unit', () => {
    expect(bytes(0)).toBe('0 B');
    expect(bytes(999)).toBe('999 B');
    expect(bytes(1500)).toBe('1.5 kB');
    expect(bytes(14_200_000)).toBe('14 MB');
  });

  it('writes durations a person can compare', () => {
    expect([30, 90, 300, 7200].map(interval)).toEqual(['30 s', '90 s', '5 min', '2 h']);
    expect(duration(340)).toBe('340 ms');
    expect(duration(12_400)).toBe('12.4 s');
    expect(duration(185_000)).toBe('3 min 05 s');
    expect(duration(7_800_000)).toBe('2 h 10 min');
    expect(duration(undefined)).toBe('–');
  });

  it('says how long ago', () => {
    const now = Date.UTC(2026, 10, 25, 12);
    expect(relative(now - 3000, now)).toBe('just now');
    expect(relative(now - 45_000, now)).toBe('45 seconds ago');
    expect(relative(now - 300_000, now)).toBe('5 minutes ago');
    expect(relative(now + 7_200_000, now)).toBe('in 2 hours');
    expect(relative(now - 86_400_000, now)).toBe('yesterday');
  });

  it('shows the exact instant in UTC', () => {
    expect(exactUtc(Date.UTC(2026, 10, 25, 23, 49, 16, 123))).toBe('2026-11-25 23:49:16.123 UTC');
    expect(minuteTime(Date.UTC(2026, 10, 25, 23, 49), 'utc')).toBe('2026-11-25 23:49');
  });

  it('agrees in number', () => {
    expect(plural(1, 'row')).toBe('1 row');
    expect(plural(0, 'row')).toBe('0 rows');
    expect(plural(2, 'entry', 'entries')).toBe('2 entries');
  });
});
