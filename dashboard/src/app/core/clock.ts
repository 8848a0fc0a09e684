import { DOCUMENT, Injectable, Signal, inject, signal } from '@angular/core';

/** The current time as signals: one that changes every second, for countdowns, and one that changes every 15 s, for "2 minutes ago". */
@Injectable({ providedIn: 'root' })
export class Clock {
  private readonly seconds = signal(Date.now());
  private readonly coarse = signal(Date.now());

  readonly second: Signal<number> = this.seconds.asReadonly();
  readonly now: Signal<number> = this.coarse.asReadonly();

  constructor() {
    const document = inject(DOCUMENT);
    setInterval(() => {
      if (document.hidden) return;
      const now = Date.now();
      this.seconds.set(now);
      if (now - this.coarse() >= 15_000) this.coarse.set(now);
    }, 1000);
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.seconds.set(Date.now());
      this.coarse.set(Date.now());
    });
  }
}
