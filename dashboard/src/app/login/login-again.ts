import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { LoginForm } from './login-form';

/** A dialog that begins a new session without leaving the page. */
@Component({
  selector: 'app-login-again',
  template: `
    <h2 mat-dialog-title>Stay logged in</h2>
    <mat-dialog-content>
      <app-login-form [fixedName]="username" (loggedIn)="dialog.close()" />
    </mat-dialog-content>
  `,
  imports: [LoginForm, MatDialogModule],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class LoginAgain {
  protected readonly dialog = inject(MatDialogRef<LoginAgain>);
  protected readonly username = inject<string>(MAT_DIALOG_DATA);
}
