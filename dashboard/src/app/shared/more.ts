import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { Paged } from '../core/paged';
import { count } from '../core/format';
import { ProblemView } from './problem-view';

/** The footer of a list: the number of entries shown, and the button that loads more. */
@Component({
  selector: 'app-more',
  template: `
    @if (list().moreProblem(); as problem) {
      <app-problem [problem]="problem" [retriable]="true" (retry)="list().loadMore()" />
    }
    <div class="foot">
      <span>{{ words() }}</span>
      @if (list().hasMore()) {
        <button type="button" class="btn s" [disabled]="list().loadingMore()" (click)="list().loadMore()">
          {{ list().loadingMore() ? 'Loading…' : does() }}
        </button>
      }
    </div>
  `,
  imports: [ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class More {
  readonly list = input.required<Paged<unknown>>();
  readonly does = input('Show older');
  /** How many entries match. `undefined` when it is not known; a list that was read to its end knows. */
  readonly total = input<number | null>();

  protected readonly words = computed(() => {
    const shown = this.list().items()?.length ?? 0;
    const total = this.list().hasMore() ? this.total() : shown;
    // While entries arrive, the list may have more of them than were counted.
    if (total === undefined || total === null || (this.list().hasMore() && total <= shown)) {
      return `${count(shown)} shown, there are more`;
    }
    return total <= shown ? `${count(shown)} in all` : `${count(shown)} of ${count(total)} shown`;
  });
}
