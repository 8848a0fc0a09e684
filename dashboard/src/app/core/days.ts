/** The instant a day such as `2026-11-29` begins where the reader is, some days later. `undefined` without a valid day. */
export function startOfDay(day: string | undefined, later = 0): string | undefined {
  // With a time and no zone, the text is read as local time.
  const start = new Date(`${day ?? ''}T00:00`);
  start.setDate(start.getDate() + later);
  return Number.isNaN(start.getTime()) ? undefined : start.toISOString();
}
