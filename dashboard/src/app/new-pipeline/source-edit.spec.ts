import { nameFor, setField, switchKind } from './source-edit';
import { SOURCE_KINDS, SourceField } from './source-kinds';
import { readYaml } from '../editor/yaml-tree';
import { ON_CHANGE, ONCE, choiceOf, choose, setMonitor, timingOf, whenItRuns } from './timing';

function field(type: string, key: string): SourceField {
  const found = SOURCE_KINDS.find((kind) => kind.type === type)?.fields.find((one) => one.key === key);
  if (found === undefined) throw new Error(`${type}.${key}`);
  return found;
}

describe('the form of a source', () => {
  it('names pipeline and table for the place, until someone names them otherwise', () => {
    const path = field('local', 'path');
    let text = setField('sources:\n  - type: local # why\n', path, '/in/Orders 2026.csv.gz') ?? '';
    expect(text).toBe(
      'sources:\n  - type: local # why\n    path: /in/Orders 2026.csv.gz\nname: orders_2026\ntarget:\n  table: orders_2026\n',
    );
    text = text.replace('table: orders_2026', 'table: mine');
    text = setField(text, path, '') ?? '';
    text = setField(text, path, '/b') ?? '';
    expect(text).toContain('name: b\ntarget:\n  table: mine\n');
  });

  it('finds a name in every kind of place', () => {
    const names: [string, string][] = [
      ['./data/orders', 'orders'],
      ['/out/*.csv', 'out'],
      ['https://api.example.com/v1/Bestellungen%20x?since=1', 'bestellungen_20x'],
      ['s3://bucket/sales/**/*.csv', 'sales'],
      ['s3://bucket', 'bucket'],
      ['/in/größe.csv', 'größe'],
      ['', ''],
    ];
    for (const [place, name] of names) expect(nameFor(place)).toBe(name);
  });

  it('writes a number as a number, and removes what is empty', () => {
    const text = 'sources:\n  - type: sftp\n    user: feed\n';
    expect(setField(text, field('sftp', 'port'), '2222')).toContain('    port: 2222\n');
    expect(setField(text, field('sftp', 'username'), '007')).toContain('    user: "007"\n');
    expect(setField(`${text}    password: x\n`, field('sftp', 'password'), '')).toBe(text);
  });

  it('keeps what both kinds have, comments and unknown keys', () => {
    const text =
      'sources:\n  # the feed\n  - type: local\n    path: /in # here\n    recursive: true\n    csv: { delimiter: ";" }\n';
    expect(switchKind(text, 'sftp')).toBe(
      'sources:\n  # the feed\n  - type: sftp\n    path: /in # here\n    csv: { delimiter: ";" }\n    host: ""\n    username: ""\n',
    );
  });
});

describe('the form of the times', () => {
  const choice = (text: string): string => choiceOf(timingOf(readYaml(text)));

  it('says what a config says', () => {
    expect(choice('name: x\n')).toBe(ON_CHANGE);
    expect(choice('monitor: { enabled: "False" }\n')).toBe(ONCE);
    expect(choice('schedule: { cron: "0 2 * * *" }\n')).toBe('0 2 * * *');
  });

  it('writes each choice, and leaves the rest of the text', () => {
    const first = 'name: x # mine\n';
    const nightly = choose(first, '0 2 * * *') ?? '';
    expect(nightly).toBe(`${first}schedule:\n  cron: "0 2 * * *"\nmonitor: { enabled: false }\n`);
    expect(choose(nightly, ONCE)).toBe(`${first}monitor: { enabled: false }\n`);
    expect(choose(nightly, ON_CHANGE)).toBe(`${first}monitor: { enabled: true }\n`);
    expect(setMonitor('monitor:\n  interval_seconds: 5\n', false)).toBe(
      'monitor:\n  interval_seconds: 5\n  enabled: false\n',
    );
  });

  it('are told as they are once they are saved', () => {
    expect(whenItRuns({ state: 'active' })).toBe('Its schedule is active from now on.');
    expect(whenItRuns({ state: 'done' })).toBe('It runs when someone starts it.');
    expect(whenItRuns({ state: 'missed', reason: 'end_time is over' })).toBe(
      'No run is scheduled: end_time is over.',
    );
  });
});
