import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { authBeginSecondFactor } from './generated/fn/auth/auth-begin-second-factor';
import { authChangePassword } from './generated/fn/auth/auth-change-password';
import { authConfirmSecondFactor } from './generated/fn/auth/auth-confirm-second-factor';
import { authEndOtherSessions } from './generated/fn/auth/auth-end-other-sessions';
import { authEndSession } from './generated/fn/auth/auth-end-session';
import { authFetchOidcToken } from './generated/fn/auth/auth-fetch-oidc-token';
import { authLogin } from './generated/fn/auth/auth-login';
import { authLoginMethods } from './generated/fn/auth/auth-login-methods';
import { authLogout } from './generated/fn/auth/auth-logout';
import { authMe } from './generated/fn/auth/auth-me';
import { authOwnSessions } from './generated/fn/auth/auth-own-sessions';
import { authRemoveSecondFactor } from './generated/fn/auth/auth-remove-second-factor';
import { LoginAnswer } from './generated/models/login-answer';
import { LoginMethods } from './generated/models/login-methods';
import { Me } from './generated/models/me';
import { RecoveryCodes } from './generated/models/recovery-codes';
import { SecondFactorSetup } from './generated/models/second-factor-setup';
import { SessionView } from './generated/models/session-view';

/** Logging in and out, and the account of the person who is logged in. */
@Injectable({ providedIn: 'root' })
export class AuthApi {
  private readonly client = inject(ApiClient);

  /** How people can log in here. */
  methods(): Observable<LoginMethods> {
    return this.client.call(authLoginMethods, {});
  }

  login(username: string, password: string, code?: string): Observable<LoginAnswer> {
    return this.client.call(authLogin, { body: { username, password, ...given({ code }) } });
  }

  /** The token of a login at the identity provider, which this browser has just come back from. */
  finishExternalLogin(): Observable<LoginAnswer> {
    return this.client.call(authFetchOidcToken, {});
  }

  logout(): Observable<void> {
    return this.client.call(authLogout, {});
  }

  me(): Observable<Me> {
    return this.client.call(authMe, {});
  }

  changePassword(old_password: string, new_password: string): Observable<LoginAnswer> {
    return this.client.call(authChangePassword, { body: { old_password, new_password } });
  }

  sessions(): Observable<SessionView[]> {
    return this.client.call(authOwnSessions, {});
  }

  endSession(id: string): Observable<void> {
    return this.client.call(authEndSession, { id });
  }

  endOtherSessions(): Observable<void> {
    return this.client.call(authEndOtherSessions, {});
  }

  beginSecondFactor(password: string): Observable<SecondFactorSetup> {
    return this.client.call(authBeginSecondFactor, { body: { password } });
  }

  confirmSecondFactor(code: string): Observable<RecoveryCodes> {
    return this.client.call(authConfirmSecondFactor, { body: { code } });
  }

  removeSecondFactor(password: string, code: string): Observable<void> {
    return this.client.call(authRemoveSecondFactor, { body: { password, code } });
  }
}
