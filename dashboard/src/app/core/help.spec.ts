import { helpFor, helpForCode } from './help';

describe('the help for a page', () => {
  it('is found by the beginning of its address', () => {
    expect(helpFor('/runs/0199?tab=log')).toBe('/ui/help/use/runs');
    expect(helpFor('/runs/compare?a=1&b=2')).toBe('/ui/help/use/pipelines#compare-two-runs');
    expect(helpFor('/pipelines/a%2Fb?tab=runs')).toBe('/ui/help/use/pipelines');
    expect(helpFor('/users')).toBe('/ui/help/use/access#roles');
    expect(helpFor('/user')).toBe('/ui/help/use/access#roles');
    expect(helpFor('/config-history/compare?a=1')).toBe('/ui/help/reference/config');
  });

  it('is the list of pages where none fits', () => {
    expect(helpFor('/admin')).toBe('/ui/help/');
    expect(helpFor('/runsandmore')).toBe('/ui/help/');
  });

  it('has a heading for each code', () => {
    expect(helpForCode('target_locked')).toBe('/ui/help/errors#target_locked');
  });
});
