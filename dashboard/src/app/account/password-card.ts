import { ChangeDetectionStrategy, Component, computed, inject, output, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { finalize } from 'rxjs';

import { AuthApi } from '../core/api/auth';
import { Problem, toProblem } from '../core/problem';
import { Session } from '../core/session';
import { Toaster } from '../core/toaster';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { hintsFor } from './password-hints';

/** Changes one's own password. */
@Component({
  selector: 'app-password-card',
  templateUrl: './password-card.html',
  styleUrl: './account.scss',
  imports: [FormsModule, Icon, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PasswordCard {
  private readonly auth = inject(AuthApi);
  private readonly toaster = inject(Toaster);
  protected readonly session = inject(Session);

  /** The password was changed: all other sessions have ended. */
  readonly changed = output();

  protected readonly old = signal('');
  protected readonly password = signal('');
  protected readonly repeated = signal('');
  protected readonly busy = signal(false);
  protected readonly problem = signal<Problem | undefined>(undefined);
  protected readonly hints = computed(() => hintsFor(this.password(), this.repeated()));
  protected readonly ready = computed(() => this.old() !== '' && this.hints().every((hint) => hint.met));

  protected save(): void {
    if (!this.ready() || this.busy()) return;
    this.busy.set(true);
    this.problem.set(undefined);
    this.auth
      .changePassword(this.old(), this.password())
      .pipe(finalize(() => this.busy.set(false)))
      .subscribe({
        next: ({ token, role }) => {
          this.session.begin(token, role === 'admin' ? 'admin' : 'user');
          for (const field of [this.old, this.password, this.repeated]) field.set('');
          this.toaster.say('Your password was changed. Your other sessions have ended');
          this.changed.emit();
        },
        error: (error: unknown) => this.problem.set(explain(toProblem(error))),
      });
  }
}

function explain(problem: Problem): Problem {
  if (problem.code !== 'wrong_password') return problem;
  return { ...problem, nextStep: 'Type the password you log in with. An administrator can set a new one.' };
}
