import { HttpErrorResponse, HttpResponse } from '@angular/common/http';
import { Observable, of, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { InboxesApi } from '../core/api/inboxes';
import { PutAnswer } from '../core/api/generated/models/put-answer';
import { Upload } from './upload';

const FILE = new File(['id\n1\n'], 'a.csv');

function answer(outcome: PutAnswer['outcome'], received: number): PutAnswer {
  return { name: 'a.csv', outcome, received, bytes: FILE.size, hash: 'ff', run_id: null };
}

function refused(status: number, code = ''): Observable<never> {
  return throwError(() => new HttpErrorResponse({ status, error: { code, detail: 'no' } }));
}

/** An API that answers announcements in this order, and lets the first sends fail. */
function apiOf(announced: Observable<PutAnswer>[], sends: Observable<PutAnswer>[]) {
  const firsts: number[] = [];
  const api = {
    announce: () => announced.shift() ?? refused(500),
    send: (_pipeline: string, _file: File, first: number) => {
      firsts.push(first);
      const sent = sends.shift() ?? refused(500);
      return new Observable<HttpResponse<PutAnswer>>((events) =>
        sent.subscribe({
          next: (body) => events.next(new HttpResponse({ body })),
          error: (error: unknown) => events.error(error),
          complete: () => events.complete(),
        }),
      );
    },
  };
  return { api: api as unknown as InboxesApi, firsts };
}

describe('an upload', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function start(announced: Observable<PutAnswer>[], sends: Observable<PutAnswer>[] = []) {
    const { api, firsts } = apiOf(announced, sends);
    const upload = new Upload(api, 'orders', FILE, { replace: false, run: false }, () => undefined);
    upload.start();
    return { upload, firsts };
  }

  it('goes on behind what has arrived when the connection broke', () => {
    const { upload, firsts } = start(
      [of(answer('partial', 0)), of(answer('partial', 3))],
      [refused(0), of(answer('landed', FILE.size))],
    );
    expect(upload.state()).toBe('waiting');
    vi.advanceTimersByTime(60_000);
    expect(upload.state()).toBe('done');
    expect(firsts).toEqual([0, 3]);
    expect(upload.percent()).toBe(100);
  });

  it('sends nothing of a file that is there', () => {
    const { upload, firsts } = start([of(answer('unchanged', FILE.size))]);
    expect(upload.state()).toBe('done');
    expect(firsts).toEqual([]);
  });

  it('ends when the server refuses the file', () => {
    const { upload } = start([refused(409, 'file_exists')]);
    expect(upload.state()).toBe('failed');
    expect(upload.problem()?.code).toBe('file_exists');
  });

  it('gives up after some attempts without a byte', () => {
    const { upload } = start(Array.from({ length: 20 }, () => refused(0)));
    vi.advanceTimersByTime(10 * 60_000);
    expect(upload.state()).toBe('failed');
  });
});
