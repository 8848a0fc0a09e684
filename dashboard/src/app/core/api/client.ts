import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable, map } from 'rxjs';

import { StrictHttpResponse } from './generated/strict-http-response';

/** An operation that was generated from the OpenAPI document. */
type Operation<P, R> = (http: HttpClient, rootUrl: string, params: P) => Observable<StrictHttpResponse<R>>;

/** Calls the API. */
@Injectable({ providedIn: 'root' })
export class ApiClient {
  private readonly http = inject(HttpClient);

  call<P, R>(operation: Operation<P, R>, params: P): Observable<R> {
    return operation(this.http, '', params).pipe(map((answer) => answer.body));
  }
}

/** A request without the members that are empty. */
export function given<T extends object>(asked: T): T {
  return Object.fromEntries(
    Object.entries(asked).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  ) as T;
}
