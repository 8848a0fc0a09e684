import { DOCUMENT, ErrorHandler, Injectable, inject, signal } from '@angular/core';

import { Connection } from './connection';

/** Why code of the dashboard that a page needs could not be loaded. */
export type Reason =
  /** The server answers, but no longer has the file: it was upgraded since this tab was opened. */
  | 'upgraded'
  /** Neither the file nor the start page arrives. */
  | 'unreachable';

/** Code that could not be loaded, and the page that needed it. */
export interface Missing {
  reason: Reason;
  /** Relative to the dashboard's own address. */
  wanted: string;
}

// The messages of Chromium, Firefox and Safari, in this order.
const FAILED_IMPORT =
  /dynamically imported module|error loading dynamically|importing a module script failed|ChunkLoadError/i;

/** Notices when a part of the dashboard cannot be loaded, and offers to reload the page. */
@Injectable({ providedIn: 'root' })
export class MissingCode {
  private readonly document = inject(DOCUMENT);
  private readonly connection = inject(Connection);
  private readonly errors = inject(ErrorHandler);
  private readonly found = signal<Missing | undefined>(undefined);
  private readonly looking = signal(false);

  readonly now = this.found.asReadonly();
  /** Whether a request is under way that finds out if the server answers. */
  readonly checking = this.looking.asReadonly();

  /** Tells people about an import that failed; other errors go to the console. */
  async report(error: unknown, wanted: string): Promise<void> {
    if (!isFailedImport(error)) return this.errors.handleError(error);
    this.found.set({ reason: await this.reason(), wanted });
  }

  /** Loads the wanted page with the code the server has now. Does nothing while the server does not answer. */
  async reload(): Promise<void> {
    const missing = this.found();
    if (missing === undefined || this.looking()) return;
    const reason = await this.reason();
    this.found.set({ ...missing, reason });
    if (reason === 'unreachable') return;
    const target = new URL(missing.wanted.replace(/^\//, ''), this.document.baseURI);
    this.document.defaultView?.location.assign(target.href);
  }

  dismiss(): void {
    this.found.set(undefined);
  }

  /** Requests the start page. If the server answers, only the file is missing, because of an upgrade. */
  private async reason(): Promise<Reason> {
    this.looking.set(true);
    try {
      const answer = await fetch(this.document.baseURI, { cache: 'no-store' });
      if (answer.ok) this.connection.answered();
      return answer.ok ? 'upgraded' : 'unreachable';
    } catch {
      this.connection.silent();
      return 'unreachable';
    } finally {
      this.looking.set(false);
    }
  }
}

/** Whether an error is about a file of the dashboard that could not be loaded. */
export function isFailedImport(error: unknown): boolean {
  return error instanceof Error && FAILED_IMPORT.test(`${error.name}: ${error.message}`);
}
