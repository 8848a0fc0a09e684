import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, viewChild } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { TokenView } from '../core/api/models';
import { TokensApi } from '../core/api/tokens';
import { paged } from '../core/paged';
import { toProblem } from '../core/problem';
import { Session } from '../core/session';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { TokenDialog } from './token-dialog';

/** API tokens: an admin sees all of them, a user their own. */
@Component({
  selector: 'app-tokens',
  templateUrl: './tokens.html',
  imports: [Empty, Icon, More, PageHeader, QueryState, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Tokens {
  private readonly api = inject(TokensApi);
  private readonly session = inject(Session);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  protected readonly isAdmin = computed(() => this.session.role() === 'admin');
  protected readonly list = paged(
    () => ({}),
    (_, cursor) => this.api.list(100, cursor),
    (token) => token.id,
  );

  protected create(): void {
    this.dialog
      .open<TokenDialog, undefined, boolean>(TokenDialog, { width: '520px' })
      .afterClosed()
      .subscribe((created) => {
        if (created === true) this.list.first.reload();
      });
  }

  protected revoke(token: TokenView): void {
    this.confirmation
      .ask({
        title: `Revoke ${token.name}?`,
        words: 'Programs that use this token can no longer call the API. This cannot be undone.',
        yes: 'Revoke',
        danger: true,
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.api.revoke(token.id).subscribe({
          next: () => {
            this.toaster.say(`${token.name} was revoked.`);
            this.list.replace({ ...token, state: 'revoked' });
            // The button that had the focus is gone: a revoked token has none.
            this.table()?.nativeElement.focus();
          },
          error: (error: unknown) => this.toaster.warn(toProblem(error)),
        });
      });
  }
}
