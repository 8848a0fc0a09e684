import { ChangeDetectionStrategy, Component, input } from '@angular/core';

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
      <span>{{ count(list().items()?.length) }} shown</span>
      @if (list().hasMore()) {
        <button type="button" class="btn s" [disabled]="list().loadingMore()" (click)="list().loadMore()">
          {{ list().loadingMore() ? 'Loading…' : words() }}
        </button>
      }
    </div>
  `,
  imports: [ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class More {
  readonly list = input.required<Paged<unknown>>();
  readonly words = input('Show older');

  protected readonly count = count;
}
