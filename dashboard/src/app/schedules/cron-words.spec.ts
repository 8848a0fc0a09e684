import { cronWords } from './cron-words';

describe('cronWords', () => {
  it.each([
    ['', 'No fixed times.'],
    ['* * * * *', 'Every minute.'],
    ['*/15 * * * *', 'Every 15 minutes.'],
    ['0 * * * *', 'Every hour.'],
    ['5 */4 * * *', 'Every 4 hours, 5 minutes past.'],
    ['0 2 * * *', 'Every day at 02:00.'],
    ['30 6 * * 1-5', 'Monday to Friday at 06:30.'],
    ['30 6 * * MON-FRI', 'Monday to Friday at 06:30.'],
    ['0 9 * * mon,Thu', 'Monday, Thursday at 09:00.'],
    ['99 99 * * *', 'This never runs: minutes go from 0 to 59, and hours from 0 to 23.'],
    ['0 9 * * 1,4', 'Monday, Thursday at 09:00.'],
    ['0 4 1 * *', 'On day 1 of every month at 04:00.'],
    ['0 4 1 1 *', 'At the times of 0 4 1 1 *.'],
    ['0 4', 'Five fields: minute, hour, day of the month, month, weekday.'],
  ])('%s', (cron, words) => expect(cronWords(cron)).toBe(words));
});
