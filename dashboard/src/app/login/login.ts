import { ChangeDetectionStrategy, Component, OnInit, computed, inject, input } from '@angular/core';
import { Router } from '@angular/router';

import { Session } from '../core/session';
import { Icon } from '../shared/icon';
import { Brand } from '../shared/brand';
import { LoginForm } from './login-form';

const WORDS: Record<string, string> = {
  expired: 'Your session has ended. Log in again to go on where you were.',
  'logged-out': 'You are logged out.',
};

/** The way in. */
@Component({
  selector: 'app-login',
  templateUrl: './login.html',
  styleUrl: './login.scss',
  imports: [Brand, Icon, LoginForm],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Login implements OnInit {
  private readonly router = inject(Router);
  private readonly session = inject(Session);

  /** Why they are here. */
  readonly why = input<string>();
  /** Where they wanted to go. */
  readonly back = input<string>();

  protected readonly words = computed(() => WORDS[this.why() ?? '']);

  ngOnInit(): void {
    if (this.session.isActive()) this.enter();
  }

  protected enter(): void {
    const back = this.back();
    // Only a path of this dashboard: `//elsewhere` is another site.
    const here = back !== undefined && /^\/(?![/\\])/.test(back);
    void this.router.navigateByUrl(here ? back : this.session.landing(), { replaceUrl: true });
  }
}
