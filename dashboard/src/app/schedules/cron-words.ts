const SHORT = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** A cron expression in words. Unusual expressions are shown as they are. */
export function cronWords(cron: string): string {
  const fields = cron.trim().split(/\s+/);
  if (cron.trim() === '') return 'No fixed times.';
  if (fields.length !== 5) return 'Five fields: minute, hour, day of the month, month, weekday.';
  const [minute, hour, day, month, named] = fields as [string, string, string, string, string];
  if (tooLarge(minute, 59) || tooLarge(hour, 23))
    return 'This never runs: minutes go from 0 to 59, and hours from 0 to 23.';
  const weekday = named.replace(/[a-z]{3}/gi, (name) => {
    const at = SHORT.indexOf(name.toLowerCase());
    return at === -1 ? name : String(at);
  });
  const everyDay = day === '*' && month === '*' && weekday === '*';
  const step = /^\*\/(\d+)$/.exec(minute)?.[1];
  if (everyDay && hour === '*' && minute === '*') return 'Every minute.';
  if (everyDay && hour === '*' && step !== undefined) return `Every ${step} minutes.`;
  const at = /^\d+$/.test(minute) ? Number(minute) : undefined;
  if (everyDay && hour === '*' && at !== undefined)
    return at === 0 ? 'Every hour.' : `${at} minutes past every hour.`;
  const hours = /^\*\/(\d+)$/.exec(hour)?.[1];
  if (everyDay && hours !== undefined && at !== undefined) return `Every ${hours} hours, ${at} minutes past.`;
  if (at === undefined || !/^\d+$/.test(hour)) return `At the times of ${cron.trim()}.`;
  const clock = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  if (everyDay) return `Every day at ${clock}.`;
  if (day === '*' && month === '*') return `${weekdays(weekday)} at ${clock}.`;
  if (/^\d+$/.test(day) && month === '*' && weekday === '*')
    return `On day ${day} of every month at ${clock}.`;
  return `At the times of ${cron.trim()}.`;
}

function tooLarge(field: string, most: number): boolean {
  return /^\d+$/.test(field) && Number(field) > most;
}

function weekdays(field: string): string {
  if (field === '1-5') return 'Monday to Friday';
  const range = /^(\d)-(\d)$/.exec(field);
  if (range !== null) return `${name(range[1])} to ${name(range[2])}`;
  if (/^\d(,\d)*$/.test(field)) return field.split(',').map(name).join(', ');
  return `On the weekdays ${field}`;
}

function name(day: string | undefined): string {
  return DAYS[Number(day) % 7] ?? '?';
}
