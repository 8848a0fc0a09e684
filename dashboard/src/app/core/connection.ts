import { Injectable, signal } from '@angular/core';

/** Whether the server answered the last request of this page. */
@Injectable({ providedIn: 'root' })
export class Connection {
  private readonly reachable = signal(true);

  readonly online = this.reachable.asReadonly();

  answered(): void {
    this.reachable.set(true);
  }

  silent(): void {
    this.reachable.set(false);
  }
}
