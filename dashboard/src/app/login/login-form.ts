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

import { AuthApi } from '../core/api/auth';
import { Focus } from '../core/focus';
import { Problem } from '../core/problem';
import { Session } from '../core/session';
import { Submission } from '../core/submission';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';

/** A login form: name and password, then the code of the second factor if the account has one. Begins the session. */
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
  private readonly focus = inject(Focus);
  private readonly usernameBox = viewChild.required<ElementRef<HTMLInputElement>>('usernameBox');
  private readonly passwordBox = viewChild.required<ElementRef<HTMLInputElement>>('passwordBox');
  private readonly codeBox = viewChild<ElementRef<HTMLInputElement>>('codeBox');

  /** The name of a person who logs in again and types only the password. */
  readonly fixedName = input<string>();
  readonly loggedIn = output();

  protected readonly username = linkedSignal(() => this.fixedName() ?? '');
  protected readonly password = signal('');
  /** The code of the second step; `undefined` in the first one. */
  protected readonly code = signal<string | undefined>(undefined);
  protected readonly shown = signal(false);
  protected readonly submission = new Submission();

  protected submit(): void {
    if (this.submission.busy()) return;
    if (this.username().trim() === '') return this.usernameBox().nativeElement.focus();
    if (this.password() === '') return this.passwordBox().nativeElement.focus();
    if (this.code()?.trim() === '') return this.codeBox()?.nativeElement.focus();
    this.submission.send(
      this.auth.login(this.username().trim(), this.password(), this.code()?.trim()),
      ({ token, role }) => {
        this.session.begin(token, role === 'admin' ? 'admin' : 'user');
        this.loggedIn.emit();
      },
      (problem) => this.refused(problem),
    );
  }

  /** Goes back to the first step, because the name or the password was changed. */
  protected startOver(): void {
    this.code.set(undefined);
    this.submission.show(undefined);
  }

  /** Leads to the field that has to be filled in or corrected. Returns the problem to show. */
  private refused(problem: Problem): Problem | undefined {
    if (problem.code === 'second_factor_required') {
      this.code.set('');
      this.focus.moveTo(this.codeBox);
      return undefined;
    }
    if (problem.code === 'wrong_code') this.codeBox()?.nativeElement.select();
    else {
      if (problem.status === 401) this.code.set(undefined);
      this.passwordBox().nativeElement.select();
    }
    return explain(problem);
  }
}

function explain(problem: Problem): Problem {
  if (problem.code === 'wrong_code') {
    return {
      ...problem,
      nextStep: 'Wait for the next code in your app, or use a recovery code.',
      requestId: undefined,
    };
  }
  if (problem.status !== 401) return problem;
  return {
    ...problem,
    sentence: 'The username or the password is wrong.',
    nextStep: 'Check both and try again. If you forgot your password, an administrator can set a new one.',
    requestId: undefined,
  };
}
