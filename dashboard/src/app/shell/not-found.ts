import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Session } from '../core/session';
import { Empty } from '../shared/empty';

/** The page for addresses that do not exist. */
@Component({
  selector: 'app-not-found',
  template: `
    <div class="page">
      <h1 class="visually-hidden">Not found</h1>
      <app-empty icon="help" title="There is no page at this address">
        <p>The link may be out of date or incomplete.</p>
        <p><a class="btn" [routerLink]="session.landing()">Go to your start page</a></p>
      </app-empty>
    </div>
  `,
  styles: `
    p + p {
      margin-top: 10px;
    }
  `,
  imports: [Empty, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NotFound {
  protected readonly session = inject(Session);
}
