import { RetentionView } from '../core/api/models';
import { behindWords, kindName, settingsOf } from './retention-words';

function view(change: Partial<RetentionView>): RetentionView {
  return {
    kind: 'runs',
    settings: {},
    is_running: false,
    removed: 0,
    removed_in_all: 0,
    behind: false,
    ...change,
  };
}

describe('retention words', () => {
  it('say what the settings let stay, days first', () => {
    const runs = view({ settings: { ELT_KEEP_RUNS: 50, ELT_KEEP_RUNS_DAYS: 90 } });
    expect(settingsOf(runs)).toEqual([
      { name: 'ELT_KEEP_RUNS_DAYS', words: '90 days' },
      { name: 'ELT_KEEP_RUNS', words: 'and the newest 50 of each pipeline' },
    ]);
    expect(settingsOf(view({ settings: { ELT_KEEP_OUTPUTS: 1 } }))[0]?.words).toBe(
      'the newest 1 version of each pipeline',
    );
    expect(settingsOf(view({ settings: { ELT_KEEP_TICKETS_DAYS: 1 } }))[0]?.words).toBe('1 day');
    expect(settingsOf(view({}))).toEqual([]);
  });

  it('show what they do not know as it is', () => {
    expect(kindName('runs')).toBe('Runs, with their attempts');
    expect(kindName('new_kind')).toBe('new kind');
    expect(settingsOf(view({ settings: { ELT_KEEP_NEW: 12000 } }))[0]?.words).toBe('12,000');
  });

  it('count the kinds that are behind', () => {
    expect(behindWords([view({})])).toBeUndefined();
    const late = view({ kind: 'receipts', place: 'db:5432/shop.public', behind: true });
    expect(behindWords([view({ behind: true }), view({}), late])).toContain('2 kinds');
    expect(behindWords([late, { ...late, place: 'db:5432/shop.archive' }])).toContain('of 1 kind:');
  });
});
