import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { Observable } from 'rxjs';

import { UserView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { Role } from '../core/session';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { PasswordHints } from '../shared/password-hints';
import { isAcceptable } from '../shared/password-rules';
import { ProblemView } from '../shared/problem-view';

export type UserTask = { kind: 'add' } | { kind: 'service' } | { kind: 'password'; user: UserView };

/** Adds a user or a service account, or sets a password. */
@Component({
  selector: 'app-user-dialog',
  templateUrl: './user-dialog.html',
  imports: [DialogEnd, FormsModule, MatDialogModule, PasswordHints, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class UserDialog {
  private readonly api = inject(SystemApi);
  private readonly dialog = inject(MatDialogRef<UserDialog, UserView>);
  protected readonly task = inject<UserTask>(MAT_DIALOG_DATA);

  protected readonly name = signal('');
  protected readonly password = signal('');
  protected readonly role = signal<Role>('user');
  protected readonly submission = new Submission();
  protected readonly title = this.titleOf(this.task);
  protected readonly ready = computed(() => {
    const named = this.task.kind === 'password' || this.name().trim() !== '';
    return named && (this.task.kind === 'service' || isAcceptable(this.password()));
  });

  protected save(): void {
    if (!this.ready()) return;
    this.submission.send(this.call(this.task), (user) => this.dialog.close(user));
  }

  private titleOf(task: UserTask): string {
    switch (task.kind) {
      case 'add':
        return 'Add a user';
      case 'service':
        return 'Add a service account';
      case 'password':
        return `New password for ${task.user.username}`;
    }
  }

  private call(task: UserTask): Observable<UserView> {
    const account = { username: this.name().trim(), role: this.role() };
    const password = this.password();
    switch (task.kind) {
      case 'add':
        return this.api.addUser({ ...account, password });
      case 'service':
        return this.api.addServiceAccount(account);
      case 'password':
        return this.api.changeUser(task.user.id, { password });
    }
  }
}
