import { entriesFor } from './palette-entries';

const RUN = '0199a1f0-0000-7000-8000-00000000000A';

function labels(text: string, role: 'admin' | 'user', found = {}): string[] {
  return entriesFor(text, role, found).flatMap((group) => group.entries.map((entry) => entry.label));
}

describe('the entries of the palette', () => {
  it('are the pages of a role while nothing is typed', () => {
    expect(labels('', 'admin')).toContain('Runs');
    expect(labels('', 'user')).not.toContain('Runs');
    expect(labels(' QUARAN ', 'admin')[0]).toBe('Quarantine');
  });

  it('are a run and its log when its id is typed', () => {
    const [runs] = entriesFor(RUN, 'admin', {});
    expect(runs?.entries.map((entry) => entry.commands)).toEqual([['/runs', RUN.toLowerCase()], ['/logs']]);
    expect(entriesFor(RUN, 'user', {})).toEqual([]);
  });

  it('are the views that an admin saved, with their page and filters', () => {
    const none = { pipelines: [], quarantine: [], logs: [], audit: [] };
    const views = { ...none, runs: [{ name: 'Broken today', query: 'state=failed&search=a%26b' }] };
    const [first] = entriesFor('broken', 'admin', { views });
    expect(first?.heading).toBe('Saved views');
    expect(first?.entries).toEqual([
      {
        label: 'Broken today',
        hint: 'Runs',
        icon: 'filter',
        commands: ['/runs'],
        queryParams: { state: 'failed', search: 'a&b' },
      },
    ]);
    expect(entriesFor('broken', 'user', { views })).toEqual([]);
    const many = {
      ...none,
      runs: Array.from({ length: 20 }, (_, at) => ({ name: `mine ${at}`, query: '' })),
    };
    expect(entriesFor('mine', 'admin', { views: many })[0]?.entries).toHaveLength(8);
  });

  it('are what the server found, the help in a new tab', () => {
    const found = {
      // The second one was found for an earlier text.
      pipelines: [{ name: 'a/b c' }, { name: 'other' }],
      help: [{ page: 'Error codes', heading: 'target_locked', address: 'errors#target_locked' }],
    };
    const groups = entriesFor('A/B', 'admin', found);
    expect(groups.map((group) => group.heading)).toEqual([
      'Pipelines',
      'Runs and logs',
      'Help and error codes',
    ]);
    expect(groups[0]?.entries.map((entry) => entry.commands)).toEqual([['/pipelines', 'a/b c']]);
    expect(groups[2]?.entries[0]?.href).toBe('/ui/help/errors#target_locked');
  });
});
