import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Router } from '@angular/router';

import { Icon } from '../shared/icon';
import { MOST_FOLLOWED } from './followed';

/** The button that opens the runs that are chosen in a list side by side. */
@Component({
  selector: 'app-follow-button',
  template: `
    <button
      type="button"
      class="btn s"
      [disabled]="runs().length === 0 || tooMany()"
      [title]="tooMany() ? 'At most ' + most + ' runs are followed together' : ''"
      (click)="open()"
    >
      <app-icon name="eye" /> {{ tooMany() ? 'Follow at most ' + most : 'Follow ' + runs().length }}
    </button>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class FollowButton {
  private readonly router = inject(Router);

  /** Ids of the chosen runs that can be followed. */
  readonly runs = input.required<readonly string[]>();

  protected readonly most = MOST_FOLLOWED;
  protected readonly tooMany = computed(() => this.runs().length > MOST_FOLLOWED);

  protected open(): void {
    void this.router.navigate(['/runs/follow'], { queryParams: { ids: this.runs().join() } });
  }
}
