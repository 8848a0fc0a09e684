import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
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
import { Toaster } from '../core/toaster';
import { PasswordHints } from '../shared/password-hints';
import { isAcceptable } from '../shared/password-rules';
import { ProblemView } from '../shared/problem-view';

/** A form for changing the own password. */
@Component({
  selector: 'app-password-card',
  templateUrl: './password-card.html',
  styleUrl: './account.scss',
  imports: [FormsModule, PasswordHints, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PasswordCard {
  private readonly auth = inject(AuthApi);
  private readonly toaster = inject(Toaster);
  private readonly focus = inject(Focus);
  private readonly oldBox = viewChild<ElementRef<HTMLInputElement>>('oldBox');
  private readonly newBox = viewChild<ElementRef<HTMLInputElement>>('newBox');
  protected readonly session = inject(Session);

  /** The password was changed: all other sessions have ended. */
  readonly changed = output();

  protected readonly old = signal('');
  protected readonly password = signal('');
  protected readonly repeated = signal('');
  protected readonly submission = new Submission();
  protected readonly ready = computed(
    () => this.old() !== '' && isAcceptable(this.password(), this.repeated()),
  );

  protected save(): void {
    if (!this.ready()) return;
    this.submission.send(
      this.auth.changePassword(this.old(), this.password()),
      ({ token, role }) => {
        this.session.begin(token, role === 'admin' ? 'admin' : 'user');
        for (const field of [this.old, this.password, this.repeated]) field.set('');
        this.toaster.say('Your password was changed. Your other sessions have ended.');
        this.focus.moveTo(this.oldBox);
        this.changed.emit();
      },
      (problem) => {
        this.focus.moveTo(problem.code === 'wrong_password' ? this.oldBox : this.newBox);
        return explain(problem);
      },
    );
  }
}

function explain(problem: Problem): Problem {
  if (problem.code !== 'wrong_password') return problem;
  return {
    ...problem,
    nextStep: 'Type the password that you log in with. If you forgot it, an administrator can set a new one.',
  };
}
