import { ChangeDetectionStrategy, Component, input, signal } from '@angular/core';

import { Icon } from './icon';

/** A button that copies a text, and shows for two seconds that it did. */
@Component({
  selector: 'app-copy',
  template: `
    <button
      type="button"
      class="btn quiet s icon-only"
      [attr.aria-label]="label()"
      [title]="label()"
      (click)="copy()"
    >
      <app-icon [name]="copied() ? 'check' : 'copy'" />
    </button>
    <span class="visually-hidden" role="status">{{ copied() ? 'Copied' : '' }}</span>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CopyButton {
  readonly text = input.required<string>();
  readonly label = input('Copy');

  protected readonly copied = signal(false);

  protected async copy(): Promise<void> {
    await navigator.clipboard.writeText(this.text());
    this.copied.set(true);
    setTimeout(() => this.copied.set(false), 2000);
  }
}
