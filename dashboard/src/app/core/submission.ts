import { linkedSignal, signal, untracked } from '@angular/core';
import { Observable } from 'rxjs';

import { Problem, toProblem } from './problem';

/** What a page does with a failed request before it shows the problem. `undefined`: the page shows nothing. */
export type Refused = (problem: Problem) => Problem | undefined;

/** The request that a button sends: whether its answer is awaited, and why the last one failed. */
export class Submission {
  private readonly waiting = signal(false);
  private readonly failure = linkedSignal<unknown, Problem | undefined>({
    source: () => this.subject(),
    computation: () => undefined,
  });

  readonly busy = this.waiting.asReadonly();
  readonly problem = this.failure.asReadonly();

  /** `subject` is what the request is about, such as the id of the page. Once it changes, the problem is hidden. */
  constructor(private readonly subject: () => unknown = () => undefined) {}

  /** Sends a request that has one answer. Does nothing while the answer to another one is awaited. */
  send<T>(request: Observable<T>, done: (answer: T) => void, refused: Refused = (problem) => problem): void {
    if (untracked(this.waiting)) return;
    const subject = untracked(this.subject);
    this.waiting.set(true);
    this.failure.set(undefined);
    request.subscribe({
      next: (answer) => {
        // Before `done`, because it may send the next request.
        this.waiting.set(false);
        done(answer);
      },
      error: (error: unknown) => {
        this.waiting.set(false);
        const problem = refused(toProblem(error));
        // The page may show something else by now, and the problem would look as if it were about that.
        if (untracked(this.subject) === subject) this.failure.set(problem);
      },
    });
  }

  /** Hides the problem, or shows one that was found without a request. */
  show(problem: Problem | undefined): void {
    this.failure.set(problem);
  }
}
