import { Injectable, effect, inject, untracked } from '@angular/core';

import { Session } from './session';

const KEY = 'elt.draft';

/** Text that was written and not uploaded yet. */
export interface Kept {
  yaml: string;
  /** Id of the config version that the text was started from. */
  from?: string;
}

/**
 * The unfinished text of a new job. Because it may hold passwords, it stays in this tab, only its author sees it, and a
 * logout deletes it. It survives reloads, visits to other pages, and a session that expires.
 */
@Injectable({ providedIn: 'root' })
export class Draft {
  private readonly session = inject(Session);

  constructor() {
    let active = this.session.isActive();
    let expires = this.session.expiresAt();
    effect(() => {
      const token = this.session.token();
      const ends = this.session.expiresAt();
      untracked(() => {
        // A session that ends before it expires was ended by a logout, here or in another tab.
        if (token === undefined && active && expires > Date.now()) this.forget();
        active = token !== undefined;
        expires = ends;
      });
    });
  }

  read(): Kept | undefined {
    try {
      const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
      if (typeof kept !== 'object' || kept === null) return undefined;
      const { yaml, from, by } = kept as Record<string, unknown>;
      if (typeof yaml !== 'string' || by !== this.session.username()) return undefined;
      return { yaml, from: typeof from === 'string' ? from : undefined };
    } catch {
      return undefined;
    }
  }

  keep(kept: Kept): void {
    const by = untracked(this.session.username);
    if (by === undefined) return;
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ ...kept, by }));
    } catch {
      // The storage is full or not available. The page still asks before the text is lost.
    }
  }

  forget(): void {
    sessionStorage.removeItem(KEY);
  }
}
