import { ChangeDetectionStrategy, Component, inject, viewChild } from '@angular/core';

import { AuthApi } from '../core/api/auth';
import { query } from '../core/query';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { PasswordCard } from './password-card';
import { SecondFactorCard } from './second-factor-card';
import { SessionsCard } from './sessions-card';

/** The account of the person who is logged in: password, second factor and sessions. */
@Component({
  selector: 'app-account',
  templateUrl: './account.html',
  styleUrl: './account.scss',
  imports: [PageHeader, PasswordCard, QueryState, SecondFactorCard, SessionsCard],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Account {
  private readonly auth = inject(AuthApi);
  private readonly sessions = viewChild(SessionsCard);

  protected readonly me = query(
    () => ({}),
    () => this.auth.me(),
  );

  protected reload(): void {
    this.me.reload();
    this.sessions()?.reload();
  }
}
