import { ChangeDetectionStrategy, Component, computed, effect, inject, untracked } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { Router } from '@angular/router';

import { Clock } from '../core/clock';
import { Connection } from '../core/connection';
import { duration } from '../core/format';
import { MissingCode } from '../core/missing-code';
import { Session } from '../core/session';
import { Icon } from '../shared/icon';

const WARN_BEFORE = 5 * 60_000;

/** Messages above every page: the server does not answer, or the session is about to end. */
@Component({
  selector: 'app-banners',
  template: `
    @if (!connection.online()) {
      <p class="banner warn" role="status">
        <app-icon name="wifi-off" />
        <span>The server does not answer. What you see may be old; this page tries again by itself.</span>
      </p>
    }
    @if (left(); as left) {
      <p class="banner" role="status">
        <app-icon name="hourglass" />
        <span>
          Your session ends in <span aria-live="off" class="num">{{ left }}</span>.
        </span>
        <button type="button" class="btn s" (click)="logInAgain()">Stay logged in</button>
      </p>
    }
  `,
  styles: `
    .banner {
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 6px 10px;
      padding: 8px 28px;
      border-bottom: 1px solid var(--border);
      background: var(--live-weak);
      font-size: 13.5px;

      > span {
        flex: 0 1 auto;
        min-width: min(240px, 80%);
      }
    }
    .warn {
      background: var(--warn-weak);
    }
    @media (max-width: 720px) {
      .banner {
        padding-inline: 14px;
      }
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Banners {
  private readonly clock = inject(Clock);
  private readonly session = inject(Session);
  private readonly dialog = inject(MatDialog);
  private readonly router = inject(Router);
  private readonly code = inject(MissingCode);
  protected readonly connection = inject(Connection);

  protected readonly left = computed(() => {
    const left = this.session.expiresAt() - this.clock.second();
    return left > 0 && left < WARN_BEFORE ? duration(Math.ceil(left / 1000) * 1000) : undefined;
  });

  constructor() {
    effect(() => {
      // This page must show nothing more when the session ended, be it in this tab or in another one.
      if (this.session.isActive(this.clock.second())) return;
      this.dialog.closeAll();
      // No dialog after a logout, because the login page it leads to shows its own message.
      const wanted = untracked(() => this.router.currentNavigation()?.extractedUrl.toString());
      if ((wanted ?? this.router.url).startsWith('/login')) return;
      this.session.end();
      void this.router.navigate(['/login'], { queryParams: { why: 'expired', back: this.router.url } });
    });
  }

  protected async logInAgain(): Promise<void> {
    try {
      const { LoginAgain } = await import('../login/login-again');
      this.dialog.open(LoginAgain, { width: '400px', data: this.session.username() });
    } catch (error) {
      await this.code.report(error, this.router.url);
    }
  }
}
