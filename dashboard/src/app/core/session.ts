import { DOCUMENT, Injectable, computed, inject, signal } from '@angular/core';

export type Role = 'admin' | 'user';

/** Why a session ended, as the login page explains it. */
export type Ending = 'logged-out' | 'expired' | 'refused';

interface Claims {
  sub: string;
  exp: number;
}

/** The current session: its token and role, in local storage under the names that older dashboards use. */
@Injectable({ providedIn: 'root' })
export class Session {
  private readonly kept = signal(readStorage());

  readonly token = computed(() => this.kept()?.token);
  readonly role = computed(() => this.kept()?.role);
  readonly username = computed(() => this.kept()?.claims.sub);
  /** Milliseconds since 1970. */
  readonly expiresAt = computed(() => (this.kept()?.claims.exp ?? 0) * 1000);
  readonly landing = computed(() => (this.role() === 'admin' ? '/admin' : '/user'));

  constructor() {
    // A login or logout in another tab counts in this tab too.
    inject(DOCUMENT).defaultView?.addEventListener('storage', (event) => {
      if (event.key === 'token' || event.key === 'role' || event.key === null) this.kept.set(readStorage());
    });
  }

  begin(token: string, role: Role): void {
    localStorage.setItem('token', token);
    localStorage.setItem('role', role);
    this.kept.set(readStorage());
  }

  end(): void {
    localStorage.removeItem('token');
    localStorage.removeItem('role');
    this.kept.set(undefined);
  }

  isActive(now: number = Date.now()): boolean {
    return this.token() !== undefined && this.expiresAt() > now;
  }
}

function readStorage(): { token: string; role: Role; claims: Claims } | undefined {
  const token = localStorage.getItem('token');
  const role = localStorage.getItem('role');
  const claims = token === null ? undefined : readClaims(token);
  if (token === null || claims === undefined || (role !== 'admin' && role !== 'user')) return undefined;
  return { token, role, claims };
}

/** The claims of a JWT, unchecked: only the server can verify its signature. */
export function readClaims(token: string): Claims | undefined {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims !== 'object' || claims === null) return undefined;
    const { sub, exp } = claims as Partial<Claims>;
    return typeof sub === 'string' && typeof exp === 'number' ? { sub, exp } : undefined;
  } catch {
    return undefined;
  }
}
