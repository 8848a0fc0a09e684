import { HttpErrorResponse, HttpHeaders } from '@angular/common/http';

import { isPassing, sentence, toProblem } from './problem';

function answer(status: number, error: unknown, headers: Record<string, string> = {}): HttpErrorResponse {
  return new HttpErrorResponse({ status, error, headers: new HttpHeaders(headers) });
}

describe('toProblem', () => {
  it('reads a problem document', () => {
    const problem = toProblem(
      answer(400, {
        code: 'invalid_yaml',
        detail: 'Invalid YAML: mapping values are not allowed here',
        next_step: 'Correct the YAML at the place named and send it again.',
        errors: [{ pointer: 'sources', line: 2, column: 9, message: 'unknown variant' }, 'noise'],
        request_id: 'r-1',
      }),
    );
    expect(problem).toMatchObject({
      status: 400,
      code: 'invalid_yaml',
      sentence: 'Invalid YAML: mapping values are not allowed here.',
      nextStep: 'Correct the YAML at the place named and send it again.',
      faults: [{ line: 2, message: 'unknown variant' }],
      requestId: 'r-1',
    });
  });

  it('makes sentences of what the server says', () => {
    expect(sentence('the data folder is full')).toBe('The data folder is full.');
    expect(sentence(' Is it “orders”? ')).toBe('Is it “orders”?');
  });

  it('reads the older error member, also from text', () => {
    expect(toProblem(answer(400, '{"error":"No file part"}')).sentence).toBe('No file part.');
  });

  it('says what to do when nothing answers', () => {
    const problem = toProblem(answer(0, new ProgressEvent('error')));
    expect(problem.code).toBe('unreachable');
    expect(problem.sentence).toBe('The server does not answer.');
    expect(isPassing(problem)).toBe(true);
  });

  it('says how long to wait', () => {
    const problem = toProblem(answer(429, { detail: 'too many attempts' }, { 'retry-after': '42' }));
    expect(problem.nextStep).toBe('Try again in 42 seconds.');
    expect(isPassing(problem)).toBe(false);
  });

  it('explains an error that is not an answer of the server', () => {
    expect(toProblem(new TypeError('x')).code).toBe('unexpected');
  });
});
