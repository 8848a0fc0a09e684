import { explain } from './config-removal';

const problem = (code: string) => ({ status: 409, code, sentence: 'As the server says.', faults: [] });

describe('a refused deletion of a config', () => {
  it('says why the version stays', () => {
    expect(explain(problem('config_in_use')).sentence).toContain('a run or a schedule refers to it');
    expect(explain(problem('config_newest')).nextStep).toContain('Upload a newer version first');
  });

  it('keeps the words of the server for every other problem', () => {
    expect(explain(problem('read_only'))).toEqual(problem('read_only'));
  });
});
