import { signal } from '@angular/core';
import { HttpErrorResponse } from '@angular/common/http';
import { Subject, throwError } from 'rxjs';

import { Submission } from './submission';

const REFUSED = new HttpErrorResponse({ status: 409, error: { code: 'in_use', detail: 'it is in use' } });

describe('Submission', () => {
  it('is busy until the answer, and sends no second request meanwhile', () => {
    const submission = new Submission();
    const answer = new Subject<number>();
    const got: number[] = [];
    submission.send(answer, (value) => got.push(value));
    expect(submission.busy()).toBe(true);
    submission.send(
      throwError(() => REFUSED),
      () => undefined,
    );
    expect(submission.problem()).toBeUndefined();
    answer.next(7);
    answer.complete();
    expect(submission.busy()).toBe(false);
    expect(got).toEqual([7]);
  });

  it('keeps why a request failed until the next one is sent', () => {
    const submission = new Submission();
    submission.send(
      throwError(() => REFUSED),
      () => undefined,
    );
    expect(submission.busy()).toBe(false);
    expect(submission.problem()).toMatchObject({ code: 'in_use', sentence: 'It is in use.' });
    submission.send(new Subject(), () => undefined);
    expect(submission.problem()).toBeUndefined();
  });

  it('can send the next request from the answer to the first', () => {
    const submission = new Submission();
    const [first, second] = [new Subject<void>(), new Subject<void>()];
    submission.send(first, () => submission.send(second, () => undefined));
    first.next();
    first.complete();
    expect(second.observed).toBe(true);
    expect(submission.busy()).toBe(true);
  });

  it('lets the page word a problem anew, or take care of it', () => {
    const submission = new Submission();
    submission.send(
      throwError(() => REFUSED),
      () => undefined,
      (problem) => ({ ...problem, sentence: 'A run needs it.' }),
    );
    expect(submission.problem()?.sentence).toBe('A run needs it.');
    submission.send(
      throwError(() => REFUSED),
      () => undefined,
      () => undefined,
    );
    expect(submission.problem()).toBeUndefined();
  });

  it('shows no problem of something else than what the page is about', () => {
    const id = signal('1');
    const submission = new Submission(id);
    submission.send(
      throwError(() => REFUSED),
      () => undefined,
    );
    id.set('2');
    expect(submission.problem()).toBeUndefined();
    const late = new Subject<void>();
    submission.send(late, () => undefined);
    id.set('3');
    late.error(REFUSED);
    expect(submission.problem()).toBeUndefined();
    expect(submission.busy()).toBe(false);
  });
});
