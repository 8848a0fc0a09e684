import { Injectable, inject, signal } from '@angular/core';

import { Verification } from '../core/api/models';
import { Session } from '../core/session';

const KEY = 'elt.auditVerification';

/** What a verification of the audit found, and who asked for it. */
export interface KeptVerification {
  verdict: Verification;
  by: string;
}

/**
 * The last verification of the audit that was asked for in this tab. The server does not store its verdicts, so this one
 * is kept until the tab is closed; a reload or a visit to another page does not lose it.
 */
@Injectable({ providedIn: 'root' })
export class LastVerification {
  private readonly session = inject(Session);
  private readonly kept = signal(read());

  readonly current = this.kept.asReadonly();

  keep(verdict: Verification): void {
    const kept = { verdict, by: this.session.username() ?? '' };
    this.kept.set(kept);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // The storage is full or not available. The verdict then lasts until the next reload.
    }
  }
}

function read(): KeptVerification | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    if (typeof kept !== 'object' || kept === null) return undefined;
    const { verdict, by } = kept as Partial<KeptVerification>;
    const isComplete = typeof verdict?.head === 'string' && typeof verdict.at === 'string';
    return isComplete && typeof by === 'string' ? { verdict, by } : undefined;
  } catch {
    return undefined;
  }
}
