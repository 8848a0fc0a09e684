import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { tokensCreate } from './generated/fn/tokens/tokens-create';
import { tokensList } from './generated/fn/tokens/tokens-list';
import { tokensRevoke } from './generated/fn/tokens/tokens-revoke';
import { CreateToken } from './generated/models/create-token';
import { CreatedToken } from './generated/models/created-token';
import { TokenView } from './generated/models/token-view';
import { Page } from './models';

/** API tokens, with which programs call the API. */
@Injectable({ providedIn: 'root' })
export class TokensApi {
  private readonly client = inject(ApiClient);

  list(limit: number, cursor?: string): Observable<Page<TokenView>> {
    return this.client.call(tokensList, given({ limit, cursor }));
  }

  create(token: CreateToken): Observable<CreatedToken> {
    return this.client.call(tokensCreate, { body: token });
  }

  revoke(id: string): Observable<void> {
    return this.client.call(tokensRevoke, { id });
  }
}
