import { HttpParams } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { DownloadsApi } from './downloads';
import { quarantineExport } from './generated/fn/quarantine/quarantine-export';
import { quarantineList } from './generated/fn/quarantine/quarantine-list';
import { quarantineReplay } from './generated/fn/quarantine/quarantine-replay';
import { DownloadLink } from './generated/models/download-link';
import { QuarantinePage } from './generated/models/quarantine-page';
import { Replay } from './generated/models/replay';
import { Run } from './models';

/** Which rejected rows: those of one run, or all of a config's table. */
export interface QuarantineFilter {
  run_id?: string;
  config_id?: number;
  /** Only rejected with this code. */
  code?: string;
  /** Only about this column. */
  column?: string;
  /** Only rows that no replay has loaded. */
  open?: boolean;
}

/** Rows that a run rejected, because they do not fit the schema. */
@Injectable({ providedIn: 'root' })
export class QuarantineApi {
  private readonly client = inject(ApiClient);
  private readonly downloads = inject(DownloadsApi);

  list(only: QuarantineFilter, limit: number, cursor?: string): Observable<QuarantinePage> {
    return this.client.call(quarantineList, given({ ...only, limit, cursor }));
  }

  /** A link to rejected rows as a CSV file, to correct them. */
  csvLink(only: QuarantineFilter): Observable<DownloadLink> {
    return this.downloads.link(quarantineExport.PATH, new HttpParams({ fromObject: { ...given(only) } }));
  }

  /** Starts a run that tries to load rejected rows again. */
  replay(request: Replay): Observable<Run> {
    return this.client.call(quarantineReplay, { body: request });
  }
}
