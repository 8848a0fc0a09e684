import { ChangeDetectionStrategy, Component, OnInit, computed, inject, input, signal } from '@angular/core';
import { Router } from '@angular/router';

import { AuthApi } from '../core/api/auth';
import { toProblem } from '../core/problem';
import { query } from '../core/query';
import { Session } from '../core/session';
import { Icon } from '../shared/icon';
import { Brand } from '../shared/brand';
import { LoginForm } from './login-form';

const WORDS: Record<string, string> = {
  expired: 'Your session has ended. Log in again to continue where you were.',
  'logged-out': 'You are logged out.',
};

/** Why a login at the identity provider failed, by the code of the server. */
const SSO_PROBLEMS: Record<string, string> = {
  other_browser: 'This login was started in another browser, or more than ten minutes ago. Start it again.',
  other_provider:
    'The answer came from an unexpected identity provider. Start again. If it fails again, tell an administrator.',
  cancelled: 'The identity provider did not log you in.',
  invalid_answer:
    'The answer of the identity provider is not valid. Start again. If it fails again, tell an administrator.',
  provider_away: 'The identity provider does not answer. Try again in a moment.',
  busy: 'Too many logins are under way. Try again in a moment.',
  no_role: 'You may not use this installation: none of your groups at the identity provider has a role here.',
  disabled: 'An administrator has locked your account.',
  failed: 'The server could not finish your login. Try again in a moment.',
};

/** The login page. */
@Component({
  selector: 'app-login',
  templateUrl: './login.html',
  styleUrl: './login.scss',
  imports: [Brand, Icon, LoginForm],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Login implements OnInit {
  private readonly auth = inject(AuthApi);
  private readonly router = inject(Router);
  private readonly session = inject(Session);

  /** Why the login page is shown: a key of `WORDS`. */
  readonly why = input<string>();
  /** The address to open after the login. */
  readonly back = input<string>();

  /** The result of a login at the identity provider: `done`, or a key of `SSO_PROBLEMS`. */
  readonly sso = input<string>();

  /** Why the token could not be fetched after a login at the identity provider: a key of `SSO_PROBLEMS`. */
  private readonly unfinished = signal<string | undefined>(undefined);
  protected readonly words = computed(() => WORDS[this.why() ?? '']);
  protected readonly problem = computed(() => {
    const outcome = this.unfinished() ?? this.sso();
    if (outcome === undefined || outcome === 'done') return undefined;
    return SSO_PROBLEMS[outcome] ?? SSO_PROBLEMS['failed'];
  });
  protected readonly methods = query(
    () => ({}),
    () => this.auth.methods(),
  );
  /** An address for the browser itself, because the identity provider shows its own page. */
  protected readonly ssoAddress = computed(() => {
    const back = this.back();
    return `/auth/oidc/start${back === undefined ? '' : `?back=${encodeURIComponent(back)}`}`;
  });

  ngOnInit(): void {
    if (this.session.isActive()) return this.enter();
    if (this.sso() !== 'done') return;
    this.auth.finishExternalLogin().subscribe({
      next: ({ token, role }) => {
        this.session.begin(token, role === 'admin' ? 'admin' : 'user');
        this.enter();
      },
      error: (error: unknown) =>
        this.unfinished.set(toProblem(error).status === 401 ? 'other_browser' : 'failed'),
    });
  }

  protected enter(): void {
    const back = this.back();
    // Only a path of this dashboard is allowed. `//elsewhere` would lead to another site.
    const here = back !== undefined && /^\/(?![/\\])/.test(back);
    void this.router.navigateByUrl(here ? back : this.session.landing(), { replaceUrl: true });
  }
}
