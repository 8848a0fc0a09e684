import { ChangeDetectionStrategy, Component, ElementRef, inject, viewChild } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { MatMenuModule } from '@angular/material/menu';
import { Observable } from 'rxjs';

import { UserView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { paged } from '../core/paged';
import { toProblem } from '../core/problem';
import { Role, Session } from '../core/session';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { UserDialog, UserTask } from './user-dialog';

/** The users and service accounts, with their roles. */
@Component({
  selector: 'app-users',
  templateUrl: './users.html',
  imports: [Icon, MatMenuModule, More, PageHeader, QueryState, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Users {
  private readonly api = inject(SystemApi);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');
  protected readonly me = inject(Session).username;

  protected readonly list = paged(
    () => ({}),
    (_, cursor) => this.api.users(100, cursor),
    (user) => user.id,
  );

  protected add(): void {
    this.work({ kind: 'add' }, 'was added');
  }

  protected addServiceAccount(): void {
    this.work({ kind: 'service' }, 'was added');
  }

  protected setPassword(user: UserView): void {
    this.work({ kind: 'password', user }, 'has a new password');
  }

  protected setRole(user: UserView, role: Role): void {
    this.confirmation
      .ask({
        title: `Make ${user.username} ${role === 'admin' ? 'an admin' : 'a user'}?`,
        words:
          role === 'admin'
            ? 'Admins manage every pipeline and all users, and can read configs with their secrets.'
            : 'Users view data and coverage, and upload configs. Their current sessions end.',
        yes: 'Change the role',
      })
      .subscribe((yes) => {
        if (yes) this.change(user, { role }, role === 'admin' ? 'is an admin now' : 'is a user now');
      });
  }

  protected setDisabled(user: UserView, disabled: boolean): void {
    if (!disabled) return this.change(user, { disabled }, 'may log in again');
    this.confirmation
      .ask({
        title: `Disable ${user.username}?`,
        words: 'All their sessions end immediately, and they cannot log in until you enable them again.',
        yes: 'Disable',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.change(user, { disabled }, 'is disabled');
      });
  }

  protected endSessions(user: UserView): void {
    this.confirmation
      .ask({
        title: `End all sessions of ${user.username}?`,
        words: 'Every browser and program that is logged in with this name must log in again.',
        yes: 'End the sessions',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.send(this.api.endSessionsOf(user.id), `The sessions of ${user.username} have ended`);
      });
  }

  protected resetSecondFactor(user: UserView): void {
    this.confirmation
      .ask({
        title: `Reset the second factor of ${user.username}?`,
        words:
          'Logins then need only the password, until a new second factor is set up. All current sessions end.',
        yes: 'Reset it',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.send(this.api.resetSecondFactor(user.id), `${user.username} has no second factor now`);
      });
  }

  protected remove(user: UserView): void {
    this.confirmation
      .ask({
        title: `Remove ${user.username}?`,
        words: 'Their sessions end immediately. The audit keeps what they did.',
        yes: 'Remove',
        danger: true,
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.send(this.api.removeUser(user.id), `${user.username} was removed`, () => {
          this.list.remove(user);
          // The button that had the focus is gone with its row.
          this.table()?.nativeElement.focus();
        });
      });
  }

  private work(task: UserTask, words: string): void {
    this.dialog
      .open<UserDialog, UserTask, UserView | ''>(UserDialog, { data: task, width: '420px' })
      .afterClosed()
      .subscribe((user) => {
        // A dialog that was cancelled has no result, or an empty text.
        if (user) this.done(`${user.username} ${words}`);
      });
  }

  private change(user: UserView, change: { role?: Role; disabled?: boolean }, words: string): void {
    this.send(this.api.changeUser(user.id, change), `${user.username} ${words}`);
  }

  private send(call: Observable<unknown>, words: string, done: () => void = () => undefined): void {
    call.subscribe({
      next: () => {
        done();
        this.done(words);
      },
      error: (error: unknown) => this.toaster.warn(toProblem(error)),
    });
  }

  private done(words: string): void {
    this.toaster.say(words);
    this.list.first.reload();
  }
}
