import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient } from './client';
import { authLogin } from './generated/fn/auth/auth-login';
import { authLogout } from './generated/fn/auth/auth-logout';
import { LoginAnswer } from './generated/models/login-answer';

/** Logging in and out. */
@Injectable({ providedIn: 'root' })
export class AuthApi {
  private readonly client = inject(ApiClient);

  login(username: string, password: string): Observable<LoginAnswer> {
    return this.client.call(authLogin, { body: { username, password } });
  }

  logout(): Observable<void> {
    return this.client.call(authLogout, {});
  }
}
