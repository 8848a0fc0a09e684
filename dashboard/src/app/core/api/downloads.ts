import { HttpParams } from '@angular/common/http';
import { DOCUMENT, Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient } from './client';
import { downloadsCreate } from './generated/fn/downloads/downloads-create';
import { DownloadLink } from './generated/models/download-link';

/** Files of rows that the browser downloads by itself, so that they go to the disk as their rows arrive. */
@Injectable({ providedIn: 'root' })
export class DownloadsApi {
  private readonly client = inject(ApiClient);
  private readonly origin = inject(DOCUMENT).location.origin;

  /** A link to a file, which works for a minute. */
  link(path: string, params: HttpParams): Observable<DownloadLink> {
    // Spelled as the browser asks for it, because the link is good for this spelling only.
    const { pathname, search } = new URL(`${path}?${params.toString()}`, this.origin);
    return this.client.call(downloadsCreate, { body: { address: pathname + search } });
  }
}
