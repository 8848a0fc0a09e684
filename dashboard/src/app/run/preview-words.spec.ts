import { keyWord, proposed, read, sureWord, tone, why } from './preview-words';

describe('the words of a preview', () => {
  it('name what a choice is about, and how sure it is', () => {
    expect(keyWord('pagination')).toBe('Paging');
    expect(keyWord('of_a_later_release')).toBe('of_a_later_release');
    expect([sureWord({ confidence: 'certain' }), tone({ confidence: 'certain' })]).toEqual([
      'Certain',
      'good',
    ]);
    expect([sureWord({}), tone({})]).toEqual(['Please check', 'warn']);
  });

  it('make a sentence of a reason', () => {
    expect(why({ reason: 'the header `link` names it. Verified' })).toBe(
      'The header “link” names it. Verified.',
    );
    expect(why({ reason: '`id` differs' })).toBe('“id” differs.');
    expect(why({ reason: 'The file says so.' })).toBe('The file says so.');
    expect(why({})).toBe('');
  });

  it('say how much was read', () => {
    expect(read({ requests: 2, rows_total: 100 })).toBe('100 rows in the first page · 2 requests');
    expect(read({ requests: 1, rows_total: 1 })).toBe('1 row in the first page · 1 request');
    expect(read({ requests: 0, rows_total: 3 })).toBe('3 rows in the first file');
    expect(read({})).toBe('');
  });

  it('find the proposed config', () => {
    expect(proposed(undefined)).toBeUndefined();
    expect(proposed([{ what: 'source 1 (local)' }])).toBeUndefined();
    expect(proposed([{}, { yaml: 'name: x' }])).toBe('name: x');
  });
});
