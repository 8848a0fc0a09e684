import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { Observable, finalize } from 'rxjs';

import { UserView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { Problem, toProblem } from '../core/problem';
import { Role } from '../core/session';
import { ProblemView } from '../shared/problem-view';

export type UserTask = { kind: 'add' } | { kind: 'service' } | { kind: 'password'; user: UserView };

const SHORTEST = 8;

/** Adds a user or a service account, or sets a password. */
@Component({
  selector: 'app-user-dialog',
  templateUrl: './user-dialog.html',
  imports: [FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class UserDialog {
  private readonly api = inject(SystemApi);
  private readonly dialog = inject(MatDialogRef<UserDialog, UserView>);
  protected readonly task = inject<UserTask>(MAT_DIALOG_DATA);

  protected readonly name = signal('');
  protected readonly password = signal('');
  protected readonly role = signal<Role>('user');
  protected readonly busy = signal(false);
  protected readonly problem = signal<Problem | undefined>(undefined);
  protected readonly title = this.titleOf(this.task);
  protected readonly ready = computed(() => {
    const named = this.task.kind === 'password' || this.name().trim() !== '';
    return named && (this.task.kind === 'service' || this.password().length >= SHORTEST);
  });

  protected save(): void {
    if (!this.ready() || this.busy()) return;
    this.busy.set(true);
    this.problem.set(undefined);
    this.call(this.task)
      .pipe(finalize(() => this.busy.set(false)))
      .subscribe({
        next: (user) => this.dialog.close(user),
        error: (error: unknown) => this.problem.set(toProblem(error)),
      });
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
