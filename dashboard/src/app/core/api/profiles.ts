import { Injectable, inject } from '@angular/core';
import { Observable, map, of, switchMap } from 'rxjs';

import { ApiClient, given } from './client';
import { ConfigsApi } from './configs';
import { pipelinesProfiles } from './generated/fn/pipelines/pipelines-profiles';
import { runsProfile } from './generated/fn/runs/runs-profile';
import { sharedTablesProfile } from './generated/fn/shared-tables/shared-tables-profile';
import { ProfileHistory } from './generated/models/profile-history';
import { ProfileView } from './generated/models/profile-view';
import { RunProfile } from './generated/models/run-profile';

/** Which profiles of a pipeline. */
export interface ProfileFilter {
  /** Only of runs into this table, of a config with a table for each file. */
  table?: string;
  /** Only this column of each. */
  column?: string;
  limit?: number;
}

/** The newest profile of a target table. */
export interface NewestProfile {
  /** Name of the pipeline. */
  pipeline: string;
  /** The table as the config names it. `undefined`: it is the only one. */
  table?: string;
  /** `undefined`: no run of the pipeline has one, or the table has changed since. */
  profile?: RunProfile;
  /** Whether the profiles of earlier runs can be read, which only admins can. */
  hasHistory: boolean;
}

/** Profiles: what the values of each column of a run look like. */
@Injectable({ providedIn: 'root' })
export class ProfilesApi {
  private readonly client = inject(ApiClient);
  private readonly configs = inject(ConfigsApi);

  ofRun(id: string): Observable<ProfileView> {
    return this.client.call(runsProfile, { id });
  }

  /** The profiles of the newest runs of a pipeline, newest first, without commonest values and histograms. */
  history(name: string, only: ProfileFilter): Observable<ProfileHistory> {
    return this.client.call(pipelinesProfiles, { name, ...given({ ...only }) });
  }

  /** The newest profile of the pipeline that a config version belongs to. */
  newest(config: number, table?: string): Observable<NewestProfile> {
    return this.configs.find(config).pipe(
      switchMap(({ name: pipeline }) =>
        this.history(pipeline, { table, limit: 1 }).pipe(
          switchMap(({ data }) => (data[0] === undefined ? of(undefined) : this.ofRun(data[0].run_id))),
          map((view) => ({
            pipeline,
            table: view?.table,
            profile: view?.profile ?? undefined,
            hasHistory: true,
          })),
        ),
      ),
    );
  }

  /** The profile of the newest load of a table that is shared with the user. */
  ofShared(pipeline: string, table?: string): Observable<NewestProfile> {
    return this.client
      .call(sharedTablesProfile, { name: pipeline, ...given({ table }) })
      .pipe(map(({ profile }) => ({ pipeline, table, profile: profile ?? undefined, hasHistory: false })));
  }
}
