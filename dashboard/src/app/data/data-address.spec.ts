import { addressOf, lookOf } from './data-address';

describe('the address of the page of data', () => {
  it('keeps sort, filters, hidden columns, size and place, and leaves out what is usual', () => {
    const address = {
      sort: '-amount',
      filter: ['a:b:eq:1:2', 'note:null:'],
      hide: ['x,y'],
      internal: 'true',
      rows: '250',
      row: '501',
    };
    const look = lookOf(address);
    expect(look.conditions).toEqual([
      { column: 'a:b', operator: 'eq', value: '1:2' },
      { column: 'note', operator: 'null', value: '' },
    ]);
    expect(look).toMatchObject({ sort: '-amount', hidden: ['x,y'], limit: 250, offset: 500 });
    expect(addressOf(look)).toEqual({ ...address, internal: true, rows: 250, row: 501 });
    expect(Object.values(addressOf(lookOf({}))).every((value) => value === null)).toBe(true);
  });

  it('is read as far as it can be', () => {
    const odd = lookOf({ sort: '', filter: 'no operator', rows: '7', row: '-3' });
    expect(odd).toEqual({
      sort: undefined,
      conditions: [],
      hidden: [],
      internal: false,
      limit: 100,
      offset: 0,
    });
    expect(lookOf({ row: 'NaN' }).offset).toBe(0);
  });
});
