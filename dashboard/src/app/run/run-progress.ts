import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { RunProgress } from '../core/api/models';
import { duration } from '../core/format';
import { doingWords, farWords, shareOf } from './progress-words';

/** How far a running run is: a bar where the share is known, and words. */
@Component({
  selector: 'app-run-progress',
  template: `
    @let done = percent();
    @if (done !== undefined) {
      <div
        class="bar"
        role="progressbar"
        aria-valuemin="0"
        aria-valuemax="100"
        [attr.aria-label]="label()"
        [attr.aria-valuenow]="done"
      >
        <span [style.width.%]="done"></span>
      </div>
    }
    <p class="small num" data-testid="progress">
      @if (progress(); as progress) {
        <b>{{ doingWords(progress) }}</b>
        @for (part of farWords(progress); track $index) {
          <span class="muted"> · {{ part }}</span>
        }
      }
      <span class="muted"> · {{ duration(took()) }} so far</span>
    </p>
  `,
  styles: `
    :host {
      display: grid;
      grid-template-columns: minmax(0, 1fr);
      gap: 6px;
      overflow-wrap: anywhere;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunProgressBar {
  readonly progress = input.required<RunProgress | undefined>();
  /** Milliseconds since the run started. */
  readonly took = input.required<number | undefined>();
  /** The name of the bar to a screen reader. */
  readonly label = input('Progress of this step');

  /** The whole percents of the step that are done. `undefined` when that is not known. */
  protected readonly percent = computed(() => {
    const progress = this.progress();
    const share = progress === undefined ? undefined : shareOf(progress);
    return share === undefined ? undefined : Math.floor(share * 100);
  });

  protected readonly doingWords = doingWords;
  protected readonly farWords = farWords;
  protected readonly duration = duration;
}
