import { HttpEventType } from '@angular/common/http';
import { computed, signal } from '@angular/core';
import { Subscription, filter, of, switchMap, tap } from 'rxjs';

import { InboxesApi, UploadOptions } from '../core/api/inboxes';
import { PutAnswer } from '../core/api/generated/models/put-answer';
import { Problem, isPassing, toProblem } from '../core/problem';

/** Attempts in a row in which no byte arrives. */
const ATTEMPTS = 6;
/** First and longest pause between two attempts, in milliseconds. */
const PAUSE = 1000;
const LONGEST_PAUSE = 30_000;

/** How far an upload is. */
export type UploadState = 'queued' | 'sending' | 'waiting' | 'done' | 'failed' | 'stopped';

/** Whether an upload that failed goes on by itself. */
export function goesOn(problem: Problem): boolean {
  return (
    problem.status === 408 ||
    problem.status === 429 ||
    isPassing(problem) ||
    ['upload_busy', 'upload_offset', 'upload_cut'].includes(problem.code)
  );
}

/** Milliseconds until the next attempt after a number of failures in a row. */
export function pauseAfter(failures: number, problem: Problem): number {
  if (problem.retryAfter !== undefined) return problem.retryAfter * 1000;
  return Math.min(PAUSE * 2 ** (failures - 1), LONGEST_PAUSE);
}

/** A name that no other upload has. `randomUUID` would be there over HTTPS only. */
function randomName(): string {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** One file on its way to a pipeline. After a broken connection it goes on with what has arrived. */
export class Upload {
  private readonly name = randomName();
  private failures = 0;
  private arrived = 0;
  private running: Subscription | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  readonly state = signal<UploadState>('queued');
  readonly sent = signal(0);
  readonly answer = signal<PutAnswer | undefined>(undefined);
  readonly problem = signal<Problem | undefined>(undefined);
  /** From 0 to 100. */
  readonly percent = computed(() =>
    this.file.size === 0 ? 100 : Math.floor((this.sent() / this.file.size) * 100),
  );

  constructor(
    private readonly api: InboxesApi,
    readonly pipeline: string,
    readonly file: File,
    private options: Omit<UploadOptions, 'upload'>,
    private readonly ended: () => void,
  ) {}

  /** Begins, or goes on after a failure. */
  start(): void {
    this.failures = 0;
    this.attempt();
  }

  /** Waits for its turn again after a failure. `replace`: it may take the place of the file of the same name. */
  again(replace = this.options.replace): void {
    this.options = { ...this.options, replace };
    this.problem.set(undefined);
    this.end('queued');
  }

  /** Ends the upload. What has arrived is forgotten by the server after a day. */
  stop(): void {
    this.running?.unsubscribe();
    clearTimeout(this.timer);
    if (['queued', 'sending', 'waiting'].includes(this.state())) this.end('stopped');
  }

  private attempt(): void {
    const options: UploadOptions = { ...this.options, upload: this.name };
    this.state.set('sending');
    this.problem.set(undefined);
    this.running = this.api
      .announce(this.pipeline, this.file, options)
      .pipe(
        tap((announced) => this.note(announced)),
        switchMap((announced) =>
          announced.outcome === 'partial' ? this.send(announced.received, options) : of(announced),
        ),
      )
      .subscribe({
        next: (answer) => {
          this.answer.set(answer);
          this.sent.set(this.file.size);
          this.end('done');
        },
        error: (error: unknown) => this.failed(toProblem(error)),
      });
  }

  private send(first: number, options: UploadOptions) {
    return this.api.send(this.pipeline, this.file, first, options).pipe(
      tap((event) => {
        if (event.type === HttpEventType.UploadProgress) this.sent.set(first + event.loaded);
      }),
      filter((event) => event.type === HttpEventType.Response),
      switchMap((event) => (event.body === null ? [] : [event.body])),
    );
  }

  private note({ received }: PutAnswer): void {
    if (received > this.arrived) this.failures = 0;
    this.arrived = received;
    this.sent.set(received);
  }

  private failed(problem: Problem): void {
    this.problem.set(problem);
    this.failures++;
    if (!goesOn(problem) || this.failures >= ATTEMPTS) {
      this.end('failed');
      return;
    }
    this.state.set('waiting');
    this.timer = setTimeout(() => this.attempt(), pauseAfter(this.failures, problem));
  }

  private end(state: UploadState): void {
    this.state.set(state);
    this.ended();
  }
}
