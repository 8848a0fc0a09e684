import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { Role } from '../session';
import { AuditView, CoverageReport, KnownHostView, Page, UserView, WorkerView } from './models';
import { toParams } from './params';

export interface AuditFilter {
  actor?: string;
  action?: string;
  outcome?: string;
}

/** The installation itself: users, audit, workers, host keys, coverage. */
@Injectable({ providedIn: 'root' })
export class SystemApi {
  private readonly http = inject(HttpClient);

  users(limit: number, cursor?: string): Observable<Page<UserView>> {
    return this.http.get<Page<UserView>>('/users', { params: toParams({ limit, cursor }) });
  }

  addUser(user: { username: string; password: string; role: Role }): Observable<UserView> {
    return this.http.post<UserView>('/users', user);
  }

  changeUser(
    id: string,
    change: { role?: Role; disabled?: boolean; password?: string },
  ): Observable<UserView> {
    return this.http.patch<UserView>(`/users/${id}`, change);
  }

  removeUser(id: string): Observable<void> {
    return this.http.delete<void>(`/users/${id}`);
  }

  audit(filter: AuditFilter, limit: number, cursor?: string): Observable<Page<AuditView>> {
    return this.http.get<Page<AuditView>>('/audit', { params: toParams({ ...filter, limit, cursor }) });
  }

  workers(gone: boolean): Observable<Page<WorkerView>> {
    return this.http.get<Page<WorkerView>>('/workers', { params: toParams({ gone: gone || undefined }) });
  }

  knownHosts(): Observable<Page<KnownHostView>> {
    return this.http.get<Page<KnownHostView>>('/known-hosts');
  }

  approveHost(key: KnownHostView): Observable<KnownHostView> {
    const { host, port, fingerprint } = key;
    return this.http.post<KnownHostView>('/known-hosts/approve', { host, port, fingerprint });
  }

  forgetHost(key: KnownHostView): Observable<void> {
    const { host, port, fingerprint } = key;
    return this.http.delete<void>('/known-hosts', { params: toParams({ host, port, fingerprint }) });
  }

  coverage(): Observable<CoverageReport> {
    return this.http.get<CoverageReport>('/coverage-report');
  }
}
