import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import { Icon } from './icon';
import { IconName } from './icon-names';

/** Stands in place of an empty list: an icon, a title, and (projected) what to do. */
@Component({
  selector: 'app-empty',
  template: `
    <span class="picture"><app-icon [name]="icon()" /></span>
    <p class="title">{{ title() }}</p>
    <div class="body"><ng-content /></div>
  `,
  styles: `
    :host {
      display: grid;
      justify-items: center;
      gap: 8px;
      padding: 44px 20px;
      text-align: center;
    }
    .picture {
      display: grid;
      place-items: center;
      width: 46px;
      height: 46px;
      border-radius: 14px;
      background: var(--surface-2);
      color: var(--muted);
      --icon-size: 22px;
    }
    .title {
      margin-top: 4px;
      font-weight: 600;
    }
    .body {
      max-width: 46ch;
      color: var(--muted);
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Empty {
  readonly icon = input<IconName>('history-empty');
  readonly title = input.required<string>();
}
