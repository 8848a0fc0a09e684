import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { IconName } from './icon-names';

/** An icon beside a text. The text says the same, so assistive technology skips the icon. */
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
