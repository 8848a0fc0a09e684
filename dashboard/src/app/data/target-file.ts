import { Injectable, effect, inject, signal } from '@angular/core';

import { Session } from '../core/session';

/**
 * The YAML file whose table is shown. Because it may hold passwords, it is in no address and in no storage: it is kept for
 * visits to other pages, until a reload or the end of the session.
 */
@Injectable({ providedIn: 'root' })
export class TargetFile {
  readonly file = signal<{ name: string; yaml: string } | undefined>(undefined);

  constructor() {
    const session = inject(Session);
    effect(() => {
      if (session.token() === undefined) this.file.set(undefined);
    });
  }
}
