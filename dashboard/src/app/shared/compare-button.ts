import { ChangeDetectionStrategy, Component, input, output } from '@angular/core';

import { toggled } from './chosen';
import { Icon } from './icon';

/** Chooses one to compare, or no longer. A third choice replaces the first. */
export function chooseTwo<T>(chosen: readonly T[], one: T): readonly T[] {
  return toggled(chosen, one).slice(-2);
}

/** The button that compares the two that are chosen in a list. */
@Component({
  selector: 'app-compare-button',
  template: `
    <button type="button" class="btn {{ size() }}" [disabled]="number() !== 2" (click)="compare.emit()">
      <app-icon name="git-compare" />
      {{ number() === 2 ? 'Compare the two' : 'Choose two to compare' }}
    </button>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CompareButton {
  /** How many are chosen. */
  readonly number = input.required<number>();
  readonly size = input<'s' | ''>('s');
  readonly compare = output();
}
