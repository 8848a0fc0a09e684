import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  inject,
  input,
  linkedSignal,
  output,
  signal,
  viewChild,
} from '@angular/core';
import { FormsModule } from '@angular/forms';
import { finalize } from 'rxjs';

import { AuthApi } from '../core/api/auth';
import { Problem, toProblem } from '../core/problem';
import { Session } from '../core/session';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';

/** Name and password; begins the session when the server accepts them. */
@Component({
  selector: 'app-login-form',
  templateUrl: './login-form.html',
  styleUrl: './login-form.scss',
  imports: [FormsModule, Icon, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class LoginForm {
  private readonly auth = inject(AuthApi);
  private readonly session = inject(Session);
  private readonly usernameBox = viewChild.required<ElementRef<HTMLInputElement>>('usernameBox');
  private readonly passwordBox = viewChild.required<ElementRef<HTMLInputElement>>('passwordBox');

  /** Who logs in again; they only type the password. */
  readonly fixedName = input<string>();
  readonly loggedIn = output();

  protected readonly username = linkedSignal(() => this.fixedName() ?? '');
  protected readonly password = signal('');
  protected readonly shown = signal(false);
  protected readonly busy = signal(false);
  protected readonly problem = signal<Problem | undefined>(undefined);

  protected submit(): void {
    if (this.busy()) return;
    if (this.username().trim() === '') return this.usernameBox().nativeElement.focus();
    if (this.password() === '') return this.passwordBox().nativeElement.focus();
    this.busy.set(true);
    this.problem.set(undefined);
    this.auth
      .login(this.username().trim(), this.password())
      .pipe(finalize(() => this.busy.set(false)))
      .subscribe({
        next: ({ token, role }) => {
          this.session.begin(token, role === 'admin' ? 'admin' : 'user');
          this.loggedIn.emit();
        },
        error: (error: unknown) => {
          this.problem.set(explain(toProblem(error)));
          this.passwordBox().nativeElement.select();
        },
      });
  }
}

function explain(problem: Problem): Problem {
  if (problem.status !== 401) return problem;
  return {
    ...problem,
    sentence: 'This name and password do not belong together.',
    nextStep: 'Check both and try again. An administrator can set a new password.',
    requestId: undefined,
  };
}
