import { inject } from '@angular/core';
import { CanMatchFn, Route, Router, UrlSegment } from '@angular/router';

import { Role, Session } from './session';

/** Lets roles in. Others get the 403 page; people who are not logged in log in first and then come back. */
export function only(...roles: Role[]): CanMatchFn {
  return (_route: Route, segments: UrlSegment[]) => {
    const session = inject(Session);
    const router = inject(Router);
    if (!session.isActive()) {
      const wanted = router.currentNavigation()?.extractedUrl.toString();
      const back = wanted ?? '/' + segments.join('/');
      const why = session.token() === undefined ? undefined : 'expired';
      session.end();
      return router.createUrlTree(['/login'], {
        queryParams: { why, back: back === '/' ? undefined : back },
      });
    }
    const role = session.role();
    if (role !== undefined && roles.includes(role)) return true;
    return router.createUrlTree(['/forbidden']);
  };
}

/** Lets only addresses match whose last part is an id. */
export function named(id: RegExp): CanMatchFn {
  return (_route: Route, segments: UrlSegment[]) => id.test(segments.at(-1)?.path ?? '');
}

/** Redirects `/` to the start page of the role. */
export const toLanding = (): ReturnType<Router['createUrlTree']> => {
  const session = inject(Session);
  return inject(Router).createUrlTree([session.isActive() ? session.landing() : '/login']);
};
