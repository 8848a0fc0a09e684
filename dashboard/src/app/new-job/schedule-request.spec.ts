import { Timing } from '../core/api/models';
import { fieldsOf, fires, requestOf } from './schedule-request';

const TIMING: Timing = {
  start_at: '2030-01-01T07:00:00Z',
  end_at: null,
  timezone: 'Europe/Berlin',
  cron: '*/15 * * * *',
  cron_timezone: 'America/New_York',
  overlap: 'queue',
  catch_up: 'none',
  monitor: false,
  interval_seconds: null,
};

describe('the request for a schedule', () => {
  const yaml = fieldsOf(TIMING);

  it('says nothing about what was not changed', () => {
    expect(requestOf(7, yaml, { ...yaml })).toEqual({ config_id: 7 });
    expect(yaml).toMatchObject({ cron: '*/15 * * * *', monitor: false, overlap: 'queue', catchUp: 'none' });
  });

  it('says only what was changed', () => {
    expect(requestOf(7, yaml, { ...yaml, cron: ' 0 2 * * * ' })).toEqual({ config_id: 7, cron: '0 2 * * *' });
    expect(requestOf(7, yaml, { ...yaml, monitor: true })).toEqual({ config_id: 7, monitor: true });
    const end = '2031-02-03T04:05';
    expect(requestOf(7, yaml, { ...yaml, end })).toEqual({
      config_id: 7,
      end_at: new Date(end).toISOString(),
    });
  });

  it('can take away what the YAML says', () => {
    expect(requestOf(7, yaml, { ...yaml, cron: '', start: '' })).toEqual({
      config_id: 7,
      without: ['start_at', 'cron'],
    });
    const plain = { ...yaml, cron: '', start: '' };
    expect(requestOf(7, plain, { ...plain })).toEqual({ config_id: 7 });
  });

  it('shows instants in the zone of the browser, to the second', () => {
    const shown = fieldsOf({ ...TIMING, start_at: '2030-01-01T07:00:09Z' }).start;
    expect(new Date(shown).toISOString()).toBe('2030-01-01T07:00:09.000Z');
  });

  it('knows when nothing would ever run', () => {
    const never = { ...yaml, cron: ' ', monitor: false, start: '' };
    expect(fires(never, Date.now())).toBe(false);
    expect(fires({ ...never, start: '2030-01-01T08:00' }, Date.parse('2029-01-01'))).toBe(true);
    expect(fires({ ...never, start: '2020-01-01T08:00' }, Date.parse('2029-01-01'))).toBe(false);
    expect(fires({ ...never, monitor: true }, Date.now())).toBe(true);
  });
});
