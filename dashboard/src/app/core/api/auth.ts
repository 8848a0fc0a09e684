import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { Role } from '../session';

export interface LoggedIn {
  token: string;
  role: Role;
  expires_at: string;
}

/** Logging in and out. */
@Injectable({ providedIn: 'root' })
export class AuthApi {
  private readonly http = inject(HttpClient);

  login(username: string, password: string): Observable<LoggedIn> {
    return this.http.post<LoggedIn>('/auth/login', { username, password });
  }

  logout(): Observable<unknown> {
    return this.http.post('/auth/logout', null);
  }
}
