import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

const TOP = 20;

/** A histogram as small bars. It is decoration where its numbers are beside it, so that it has a label only when one is given. */
@Component({
  selector: 'app-bars',
  template: `
    <svg
      [attr.viewBox]="box()"
      preserveAspectRatio="none"
      [attr.role]="label() ? 'img' : null"
      [attr.aria-label]="label() || null"
      [attr.aria-hidden]="label() ? null : 'true'"
    >
      @for (bar of bars(); track $index) {
        <rect [attr.x]="$index + 0.08" [attr.y]="bar.y" width="0.84" [attr.height]="bar.height" />
      }
    </svg>
  `,
  styles: `
    :host {
      display: block;
    }
    svg {
      display: block;
      width: 100%;
      height: var(--bars-height, 18px);
    }
    rect {
      fill: var(--accent);
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Bars {
  readonly counts = input.required<readonly number[]>();
  readonly label = input('');

  protected readonly box = computed(() => `0 0 ${Math.max(1, this.counts().length)} ${TOP}`);
  protected readonly bars = computed(() => {
    const most = Math.max(1, ...this.counts());
    return this.counts().map((count) => {
      // A bucket with few values is still seen to have some.
      const height = count === 0 ? 0 : Math.max(1, (count / most) * TOP);
      return { y: TOP - height, height };
    });
  });
}
