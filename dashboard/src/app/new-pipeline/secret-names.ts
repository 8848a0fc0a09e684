import { Injectable, inject } from '@angular/core';

import { SecretsApi } from '../core/api/secrets';
import { query } from '../core/query';

/** The names of the stored secrets, asked for once for all fields of the page. */
@Injectable()
export class SecretNames {
  private readonly api = inject(SecretsApi);

  readonly names = query(
    () => ({}),
    () => this.api.names(),
  );
}
