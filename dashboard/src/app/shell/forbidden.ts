import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Session } from '../core/session';
import { Empty } from '../shared/empty';

/** The page for people whose role may not open the page they asked for. */
@Component({
  selector: 'app-forbidden',
  template: `
    <div class="page">
      <h1 class="visually-hidden">Not allowed</h1>
      <app-empty icon="lock" title="This page is for administrators">
        <p>You are logged in as {{ session.username() }} with the role {{ session.role() }}.</p>
        <p>Ask an administrator if you need it.</p>
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
export class Forbidden {
  protected readonly session = inject(Session);
}
