import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, viewChild } from '@angular/core';

import { AuthApi } from '../core/api/auth';
import { SessionView } from '../core/api/generated/models/session-view';
import { toProblem } from '../core/problem';
import { query } from '../core/query';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Icon } from '../shared/icon';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

/** The sessions of the person who is logged in, with buttons that end them. */
@Component({
  selector: 'app-sessions-card',
  templateUrl: './sessions-card.html',
  styleUrl: './account.scss',
  imports: [Icon, QueryState, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SessionsCard {
  private readonly auth = inject(AuthApi);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  protected readonly sessions = query(
    () => ({}),
    () => this.auth.sessions(),
    { every: 30_000 },
  );
  protected readonly hasOthers = computed(() => (this.sessions.value()?.length ?? 0) > 1);

  reload(): void {
    this.sessions.reload();
  }

  protected end(session: SessionView): void {
    this.auth.endSession(session.id).subscribe({
      next: () => this.done('The session has ended.'),
      error: (error: unknown) => this.toaster.warn(toProblem(error)),
    });
  }

  protected endOthers(): void {
    this.confirmation
      .ask({
        title: 'End all other sessions?',
        words: 'Every other browser and program that is logged in with your name must log in again.',
        yes: 'End them',
        danger: true,
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.auth.endOtherSessions().subscribe({
          next: () => this.done('Your other sessions have ended.'),
          error: (error: unknown) => this.toaster.warn(toProblem(error)),
        });
      });
  }

  private done(words: string): void {
    this.toaster.say(words);
    this.sessions.reload();
    // The button that had the focus disappears with its session.
    this.table()?.nativeElement.focus();
  }
}
