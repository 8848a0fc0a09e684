import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { finalize } from 'rxjs';

import { UserView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { Problem, toProblem } from '../core/problem';
import { Role } from '../core/session';
import { ProblemView } from '../shared/problem-view';

export type UserTask = { kind: 'add' } | { kind: 'password'; user: UserView };

const SHORTEST = 8;

/** Adds a user, or sets a password. */
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
  protected readonly title =
    this.task.kind === 'add' ? 'Add a user' : `New password for ${this.task.user.username}`;
  protected readonly ready = computed(
    () => this.password().length >= SHORTEST && (this.task.kind === 'password' || this.name().trim() !== ''),
  );

  protected save(): void {
    if (!this.ready() || this.busy()) return;
    this.busy.set(true);
    this.problem.set(undefined);
    const password = this.password();
    const call =
      this.task.kind === 'add'
        ? this.api.addUser({ username: this.name().trim(), password, role: this.role() })
        : this.api.changeUser(this.task.user.id, { password });
    call.pipe(finalize(() => this.busy.set(false))).subscribe({
      next: (user) => this.dialog.close(user),
      error: (error: unknown) => this.problem.set(toProblem(error)),
    });
  }
}
