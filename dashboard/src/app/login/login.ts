import { ChangeDetectionStrategy, Component, OnInit, computed, inject, input, signal } from '@angular/core';
import { Router } from '@angular/router';

import { AuthApi } from '../core/api/auth';
import { query } from '../core/query';
import { Session } from '../core/session';
import { Icon } from '../shared/icon';
import { Brand } from '../shared/brand';
import { LoginForm } from './login-form';

const WORDS: Record<string, string> = {
  expired: 'Your session has ended. Log in again to go on where you were.',
  'logged-out': 'You are logged out.',
};

/** What the server says about a login at the identity provider. */
const SSO_PROBLEMS: Record<string, string> = {
  other_browser: 'This login was begun in another browser, or more than ten minutes ago. Begin again.',
  other_provider:
    'The answer came from another identity provider. Begin again; tell an administrator if it stays.',
  cancelled: 'The identity provider did not log you in.',
  invalid_answer:
    'The answer of the identity provider is not valid. Begin again; tell an administrator if it stays.',
  provider_away: 'The identity provider does not answer. Try again in a moment.',
  busy: 'Many people log in right now. Try again in a moment.',
  no_role: 'You may not use this installation: none of your groups at the identity provider has a role here.',
  disabled: 'An administrator has locked you out of this installation.',
  failed: 'The server could not finish your login. Try again in a moment.',
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
  private readonly auth = inject(AuthApi);
  private readonly router = inject(Router);
  private readonly session = inject(Session);

  /** Why they are here. */
  readonly why = input<string>();
  /** Where they wanted to go. */
  readonly back = input<string>();

  /** What came of a login at the identity provider: `done`, or a code. */
  readonly sso = input<string>();

  private readonly fetchFailed = signal(false);
  protected readonly words = computed(() => WORDS[this.why() ?? '']);
  protected readonly problem = computed(() => {
    const outcome = this.fetchFailed() ? 'other_browser' : this.sso();
    if (outcome === undefined || outcome === 'done') return undefined;
    return SSO_PROBLEMS[outcome] ?? SSO_PROBLEMS['failed'];
  });
  protected readonly methods = query(
    () => ({}),
    () => this.auth.methods(),
  );
  /** A browser goes there, not a request: the identity provider shows its own page. */
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
      error: () => this.fetchFailed.set(true),
    });
  }

  protected enter(): void {
    const back = this.back();
    // Only a path of this dashboard: `//elsewhere` is another site.
    const here = back !== undefined && /^\/(?![/\\])/.test(back);
    void this.router.navigateByUrl(here ? back : this.session.landing(), { replaceUrl: true });
  }
}
