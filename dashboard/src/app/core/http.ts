import { HttpErrorResponse, HttpInterceptorFn, HttpResponse } from '@angular/common/http';
import { inject } from '@angular/core';
import { Router } from '@angular/router';
import { tap } from 'rxjs';

import { Connection } from './connection';
import { Session } from './session';

/** Sends the token along, and notices when the server refuses it or does not answer. */
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
        // Only an answer to the token still in use ends the session.
        if (error.status === 401 && token !== undefined && session.token() === token) {
          session.end();
          void router.navigate(['/login'], { queryParams: { why: 'expired', back: router.url } });
        }
      },
    }),
  );
};
