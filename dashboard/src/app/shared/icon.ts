import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { IconName } from './icon-names';

/** A picture beside words. It never carries meaning alone, so assistive technology skips it. */
@Component({
  selector: 'app-icon',
  template: `<svg aria-hidden="true"><use [attr.href]="href()" /></svg>`,
  styles: `
    :host {
      display: inline-flex;
      flex: none;
      width: var(--icon-size, 16px);
      height: var(--icon-size, 16px);
    }
    svg {
      width: 100%;
      height: 100%;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Icon {
  readonly name = input.required<IconName>();

  protected readonly href = computed(() => `icons.svg#${this.name()}`);
}
