import { ChangeDetectionStrategy, Component, ElementRef, inject, viewChild } from '@angular/core';
import { RouterLink } from '@angular/router';
import { MatDialog } from '@angular/material/dialog';

import { SecretView } from '../core/api/models';
import { SecretsApi } from '../core/api/secrets';
import { paged } from '../core/paged';
import { Toaster } from '../core/toaster';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { RemoveSecretDialog } from './remove-secret-dialog';
import { SecretDialog } from './secret-dialog';
import { ALL_PIPELINES } from './secret-form';

/** The stored secrets: which pipelines may use them, and who changed them. Their values are never shown. */
@Component({
  selector: 'app-secrets',
  templateUrl: './secrets.html',
  styleUrl: './secrets.scss',
  imports: [Empty, Icon, More, PageHeader, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Secrets {
  private readonly api = inject(SecretsApi);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  protected readonly list = paged(
    () => ({}),
    (_, cursor) => this.api.list(100, cursor),
    (secret) => secret.name,
  );

  protected readonly all = ALL_PIPELINES;

  protected add(): void {
    this.open(undefined, (secret) => {
      this.toaster.say(`${secret.name} was stored.`);
      this.list.first.reload();
    });
  }

  protected change(secret: SecretView): void {
    this.open(secret, (changed) => {
      this.toaster.say(`${changed.name} was changed. The next run uses it.`);
      this.list.replace(changed);
    });
  }

  protected remove(secret: SecretView): void {
    this.dialog
      .open<RemoveSecretDialog, SecretView, boolean>(RemoveSecretDialog, {
        data: secret,
        width: '440px',
        role: 'alertdialog',
      })
      .afterClosed()
      .subscribe((removed) => {
        if (removed !== true) return;
        this.toaster.say(`${secret.name} was deleted.`);
        this.list.remove(secret);
        // The button that had the focus is gone with its row.
        this.table()?.nativeElement.focus();
      });
  }

  private open(secret: SecretView | undefined, done: (stored: SecretView) => void): void {
    this.dialog
      .open<SecretDialog, SecretView | undefined, SecretView | ''>(SecretDialog, {
        data: secret,
        width: '520px',
      })
      .afterClosed()
      .subscribe((stored) => {
        // A dialog that was cancelled has no result, or an empty text.
        if (stored) done(stored);
      });
  }
}
