import { Parser } from './event-stream';

describe('Parser', () => {
  it('reads messages however they are cut', () => {
    const text = 'id: 7\nevent: log\ndata: {"a":\ndata: 1}\n\n: ping\n\nevent: end\n\n';
    for (let size = 1; size < text.length; size++) {
      const parser = new Parser();
      const messages = [];
      for (let at = 0; at < text.length; at += size) messages.push(...parser.push(text.slice(at, at + size)));
      expect(messages).toEqual([
        { id: '7', event: 'log', data: '{"a":\n1}' },
        { id: '7', event: 'end', data: '' },
      ]);
    }
  });

  it('knows every kind of line end', () => {
    const parser = new Parser();
    expect(parser.push('data: 1\r')).toEqual([]);
    expect(parser.push('\n\r\ndata: 2\r\r')).toHaveLength(1);
    expect(parser.push('\n')).toEqual([{ id: undefined, event: 'message', data: '2' }]);
  });
});
