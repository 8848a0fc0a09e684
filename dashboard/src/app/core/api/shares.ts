import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { sharedTablesFilters } from './generated/fn/shared-tables/shared-tables-filters';
import { sharedTablesList } from './generated/fn/shared-tables/shared-tables-list';
import { sharedTablesRemoveFilter } from './generated/fn/shared-tables/shared-tables-remove-filter';
import { sharedTablesSaveFilter } from './generated/fn/shared-tables/shared-tables-save-filter';
import { sharedTablesTables } from './generated/fn/shared-tables/shared-tables-tables';
import { sharesGrant } from './generated/fn/shares/shares-grant';
import { sharesList } from './generated/fn/shares/shares-list';
import { sharesRevoke } from './generated/fn/shares/shares-revoke';
import { LoadedTableView } from './generated/models/loaded-table-view';
import { SavedFilterView } from './generated/models/saved-filter-view';
import { SavedFilters } from './generated/models/saved-filters';
import { SavedView } from './generated/models/saved-view';
import { ShareView } from './generated/models/share-view';
import { SharedTableView } from './generated/models/shared-table-view';
import { Page } from './models';

/** Tables that admins share with users, and what users save about them. */
@Injectable({ providedIn: 'root' })
export class SharesApi {
  private readonly client = inject(ApiClient);

  /** The users with whom the table of a pipeline is shared, by name. */
  list(name: string, limit: number, cursor?: string): Observable<Page<ShareView>> {
    return this.client.call(sharesList, given({ name, limit, cursor }));
  }

  grant(name: string, user: string): Observable<ShareView> {
    return this.client.call(sharesGrant, { name, user });
  }

  revoke(name: string, user: string): Observable<void> {
    return this.client.call(sharesRevoke, { name, user });
  }

  /** The tables that are shared with the one who is logged in, by the names of their pipelines. */
  shared(limit: number, cursor?: string): Observable<Page<SharedTableView>> {
    return this.client.call(sharedTablesList, given({ limit, cursor }));
  }

  /** The tables of a shared pipeline with a table for each file, by name. */
  tables(name: string, limit: number, cursor?: string): Observable<Page<LoadedTableView>> {
    return this.client.call(sharedTablesTables, given({ name, limit, cursor }));
  }

  filters(name: string): Observable<SavedFilters> {
    return this.client.call(sharedTablesFilters, { name });
  }

  saveFilter(name: string, filter: string, view: SavedView): Observable<SavedFilterView> {
    return this.client.call(sharedTablesSaveFilter, { name, filter, body: view });
  }

  removeFilter(name: string, filter: string): Observable<void> {
    return this.client.call(sharedTablesRemoveFilter, { name, filter });
  }
}
