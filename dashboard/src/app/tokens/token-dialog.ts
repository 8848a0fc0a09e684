import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { EMPTY, map } from 'rxjs';

import { CreatedToken, TokenScope } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { TokensApi } from '../core/api/tokens';
import { query } from '../core/query';
import { Role, Session } from '../core/session';
import { Submission } from '../core/submission';
import { CopyButton } from '../shared/copy-button';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';
import { exampleCall, namesIn, scopesFor } from './scopes';

/** Most users that are searched for service accounts. */
const USERS = 250;

/** Creates an API token, and shows it once. The result of the dialog says whether a token was created. */
@Component({
  selector: 'app-token-dialog',
  templateUrl: './token-dialog.html',
  styleUrl: './token-dialog.scss',
  imports: [CopyButton, DialogEnd, FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class TokenDialog {
  private readonly api = inject(TokensApi);
  private readonly system = inject(SystemApi);
  private readonly session = inject(Session);
  private readonly dialog = inject(MatDialogRef<TokenDialog, boolean>);

  protected readonly name = signal('');
  /** Username of a service account. Empty: the person who is logged in. */
  protected readonly owner = signal('');
  protected readonly chosen = signal<TokenScope[]>([]);
  protected readonly pipelines = signal('');
  protected readonly days = signal(90);
  protected readonly submission = new Submission();
  protected readonly created = signal<CreatedToken | undefined>(undefined);

  protected readonly isAdmin = computed(() => this.session.role() === 'admin');
  protected readonly me = this.session.username;
  protected readonly accounts = query(
    () => this.isAdmin(),
    (isAdmin) =>
      isAdmin
        ? this.system.users(USERS).pipe(map((page) => page.data.filter((user) => user.is_service)))
        : EMPTY,
  );
  private readonly role = computed<Role | undefined>(() => {
    const account = this.accounts.value()?.find((user) => user.username === this.owner());
    if (account === undefined) return this.session.role();
    return account.role === 'admin' ? 'admin' : 'user';
  });
  protected readonly choices = computed(() => scopesFor(this.role()));
  private readonly scopes = computed(() =>
    this.choices()
      .map((choice) => choice.scope)
      .filter((scope) => this.chosen().includes(scope)),
  );
  protected readonly ready = computed(() => this.name().trim() !== '' && this.scopes().length > 0);
  protected readonly example = computed(() => exampleCall(this.created()?.scopes ?? [], location.origin));

  protected toggle(scope: TokenScope): void {
    this.chosen.update((chosen) =>
      chosen.includes(scope) ? chosen.filter((other) => other !== scope) : [...chosen, scope],
    );
  }

  protected create(): void {
    if (!this.ready()) return;
    const request = {
      name: this.name().trim(),
      scopes: this.scopes(),
      expires_in_days: Number(this.days()),
      ...(this.owner() === '' ? {} : { owner: this.owner() }),
      pipelines: namesIn(this.pipelines()),
    };
    this.submission.send(this.api.create(request), (token) => {
      // A click outside the dialog must not close it, because the token is shown only once.
      this.dialog.disableClose = true;
      this.created.set(token);
    });
  }
}
