import { HttpClient, HttpParams, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable, map } from 'rxjs';

import { ApiClient, given } from './client';
import { auditExport } from './generated/fn/audit/audit-export';
import { auditList } from './generated/fn/audit/audit-list';
import { auditVerify } from './generated/fn/audit/audit-verify';
import { coverageNewest } from './generated/fn/coverage/coverage-newest';
import { knownHostsApprove } from './generated/fn/known-hosts/known-hosts-approve';
import { knownHostsForget } from './generated/fn/known-hosts/known-hosts-forget';
import { knownHostsList } from './generated/fn/known-hosts/known-hosts-list';
import { retentionList } from './generated/fn/retention/retention-list';
import { usersAddService } from './generated/fn/users/users-add-service';
import { usersAdd } from './generated/fn/users/users-add';
import { usersChange } from './generated/fn/users/users-change';
import { usersEndSessionsOfUser } from './generated/fn/users/users-end-sessions-of-user';
import { usersList } from './generated/fn/users/users-list';
import { usersRemove } from './generated/fn/users/users-remove';
import { usersResetSecondFactor } from './generated/fn/users/users-reset-second-factor';
import { workersDrain } from './generated/fn/workers/workers-drain';
import { workersList } from './generated/fn/workers/workers-list';
import { workersUndrain } from './generated/fn/workers/workers-undrain';
import { AddServiceAccount } from './generated/models/add-service-account';
import { AddUser } from './generated/models/add-user';
import { AuditView } from './generated/models/audit-view';
import { ChangeUser } from './generated/models/change-user';
import { KnownHostView } from './generated/models/known-host-view';
import { RetentionList } from './generated/models/retention-list';
import { UserView } from './generated/models/user-view';
import { Verification } from './generated/models/verification';
import { WorkerList } from './generated/models/worker-list';
import { WorkerView } from './generated/models/worker-view';
import { CoverageReport, Page } from './models';

export interface AuditFilter {
  actor?: string;
  action?: string;
  outcome?: string;
  object?: string;
  from?: string;
  to?: string;
}

/** The installation: users, audit, workers, retention, host keys, coverage. */
@Injectable({ providedIn: 'root' })
export class SystemApi {
  private readonly http = inject(HttpClient);
  private readonly client = inject(ApiClient);

  users(limit: number, cursor?: string): Observable<Page<UserView>> {
    return this.client.call(usersList, given({ limit, cursor }));
  }

  addUser(user: AddUser): Observable<UserView> {
    return this.client.call(usersAdd, { body: user });
  }

  addServiceAccount(account: AddServiceAccount): Observable<UserView> {
    return this.client.call(usersAddService, { body: account });
  }

  changeUser(id: string, change: ChangeUser): Observable<UserView> {
    return this.client.call(usersChange, { id, body: change });
  }

  removeUser(id: string): Observable<void> {
    return this.client.call(usersRemove, { id });
  }

  endSessionsOf(id: string): Observable<void> {
    return this.client.call(usersEndSessionsOfUser, { id });
  }

  resetSecondFactor(id: string): Observable<void> {
    return this.client.call(usersResetSecondFactor, { id });
  }

  audit(only: AuditFilter, limit: number, cursor?: string): Observable<Page<AuditView>> {
    return this.client.call(auditList, given({ ...only, limit, cursor }));
  }

  /** The rows that match, as a CSV file. */
  auditCsv(only: AuditFilter): Observable<HttpResponse<Blob>> {
    const params = new HttpParams({ fromObject: { ...given(only), format: 'csv' } });
    return this.http.get(auditExport.PATH, { params, observe: 'response', responseType: 'blob' });
  }

  /** Whether every row of the audit is there and as it was written. */
  auditVerification(): Observable<Verification> {
    return this.client.call(auditVerify, {});
  }

  workers(gone: boolean): Observable<WorkerList> {
    return this.client.call(workersList, { gone });
  }

  /** Asks a worker to finish the runs it has and to take no others. */
  drainWorker(id: string): Observable<WorkerView> {
    return this.client.call(workersDrain, { id });
  }

  undrainWorker(id: string): Observable<WorkerView> {
    return this.client.call(workersUndrain, { id });
  }

  /** How much is kept of what, and when workers last deleted what is old. */
  retention(): Observable<RetentionList> {
    return this.client.call(retentionList, {});
  }

  knownHosts(): Observable<{ data: KnownHostView[] }> {
    return this.client.call(knownHostsList, {});
  }

  approveHost({ host, port, fingerprint }: KnownHostView): Observable<KnownHostView> {
    return this.client.call(knownHostsApprove, { body: { host, port, fingerprint } });
  }

  forgetHost({ host, port, fingerprint }: KnownHostView): Observable<void> {
    return this.client.call(knownHostsForget, { host, port, fingerprint });
  }

  coverage(): Observable<CoverageReport> {
    return this.client.call(coverageNewest, {}).pipe(map((report) => report as CoverageReport));
  }
}
