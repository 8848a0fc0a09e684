import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

/** A percentage as a bar of that width. */
@Component({
  selector: 'app-coverage-bar',
  template: `
    <div
      class="bar {{ tone() }}"
      role="progressbar"
      aria-valuemin="0"
      aria-valuemax="100"
      [attr.aria-label]="label()"
      [attr.aria-valuenow]="rounded()"
    >
      <span [style.width.%]="percent()"></span>
    </div>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CoverageBar {
  readonly percent = input.required<number>();
  readonly label = input.required<string>();

  protected readonly rounded = computed(() => Math.round(this.percent()));
  protected readonly tone = computed(() => (this.percent() >= 80 ? 'good' : this.percent() >= 50 ? 'warn' : 'bad'));
}
