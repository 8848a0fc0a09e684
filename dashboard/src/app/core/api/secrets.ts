import { Injectable, inject } from '@angular/core';
import { EMPTY, Observable, expand, reduce } from 'rxjs';

import { ApiClient, given } from './client';
import { secretsList } from './generated/fn/secrets/secrets-list';
import { secretsPut } from './generated/fn/secrets/secrets-put';
import { secretsRemove } from './generated/fn/secrets/secrets-remove';
import { PutSecret } from './generated/models/put-secret';
import { SecretView } from './generated/models/secret-view';
import { Page } from './models';

/** Most secrets that the server sends in one page. */
const LARGEST_PAGE = 250;

/** Stored secrets. Their values are sent to the server and never come back. */
@Injectable({ providedIn: 'root' })
export class SecretsApi {
  private readonly client = inject(ApiClient);

  /** In the order of their names. */
  list(limit: number, cursor?: string): Observable<Page<SecretView>> {
    return this.client.call(secretsList, given({ limit, cursor }));
  }

  /** The names of all secrets. */
  names(): Observable<string[]> {
    return this.list(LARGEST_PAGE).pipe(
      expand(({ next }) => (next ? this.list(LARGEST_PAGE, next) : EMPTY)),
      reduce((names: string[], page) => [...names, ...page.data.map((secret) => secret.name)], []),
    );
  }

  /** Stores a secret, or changes the parts of it that the request has. */
  put(name: string, body: PutSecret): Observable<SecretView> {
    return this.client.call(secretsPut, { name, body });
  }

  /** Deletes a secret. Answers 409 while pipelines use it, unless `force` is set. */
  remove(name: string, force: boolean): Observable<void> {
    return this.client.call(secretsRemove, { name, force });
  }
}
