import { HttpErrorResponse, HttpInterceptorFn, HttpResponse } from '@angular/common/http';
import { inject } from '@angular/core';
import { Router } from '@angular/router';
import { tap } from 'rxjs';

import { Connection } from './connection';
import { toProblem } from './problem';
import { Session } from './session';

/** Adds the token to each request, and reacts when the server refuses it or does not answer. */
export const sessionInterceptor: HttpInterceptorFn = (request, next) => {
  const session = inject(Session);
  const connection = inject(Connection);
  const router = inject(Router);
  const token = session.token();
  const sent =
    token === undefined ? request : request.clone({ setHeaders: { Authorization: `Bearer ${token}` } });

  return next(sent).pipe(
    tap({
      next: (event) => {
        if (event instanceof HttpResponse) connection.answered();
      },
      error: (error: unknown) => {
        if (!(error instanceof HttpErrorResponse)) return;
        if (error.status === 0) connection.silent();
        else connection.answered();
        const login = request.url.endsWith('/auth/login');
        // Only an answer to the token still in use ends the session, not a login on top of it that failed.
        if (error.status === 401 && !login && token !== undefined && session.token() === token) {
          session.end();
          void router.navigate(['/login'], { queryParams: { why: 'expired', back: router.url } });
        }
        // This installation requires a second factor. Until it is set up, only the account page works.
        if (error.status === 403 && toProblem(error).code === 'second_factor_missing') {
          void router.navigate(['/account']);
        }
      },
    }),
  );
};
