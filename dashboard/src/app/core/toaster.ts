import { Injectable, inject } from '@angular/core';
import { MatSnackBar } from '@angular/material/snack-bar';

import { Problem } from './problem';

/** Short messages at the bottom of the page about what just happened. Screen readers announce them. */
@Injectable({ providedIn: 'root' })
export class Toaster {
  private readonly bar = inject(MatSnackBar);

  say(words: string): void {
    this.bar.open(words, undefined, { duration: 4000 });
  }

  warn(problem: Pick<Problem, 'sentence' | 'nextStep'>): void {
    const words =
      problem.nextStep === undefined ? problem.sentence : `${problem.sentence} ${problem.nextStep}`;
    this.bar.open(words, 'Close', { duration: 12_000, politeness: 'assertive' });
  }
}
