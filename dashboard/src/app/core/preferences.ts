import { DOCUMENT, Injectable, effect, inject, signal } from '@angular/core';

export type Theme = 'system' | 'light' | 'dark';
export type Zone = 'local' | 'utc';

/** Preferences of a person in this browser. */
export interface Chosen {
  theme: Theme;
  zone: Zone;
  shortcuts: boolean;
  wrapLogs: boolean;
}

const KEY = 'elt.preferences';
const DEFAULTS: Chosen = { theme: 'system', zone: 'local', shortcuts: true, wrapLogs: true };

/** The preferences, stored in the browser's local storage. */
@Injectable({ providedIn: 'root' })
export class Preferences {
  private readonly document = inject(DOCUMENT);
  private readonly chosen = signal<Chosen>(read());

  readonly current = this.chosen.asReadonly();

  constructor() {
    effect(() => {
      const chosen = this.chosen();
      localStorage.setItem(KEY, JSON.stringify(chosen));
      const root = this.document.documentElement;
      if (chosen.theme === 'system') delete root.dataset['theme'];
      else root.dataset['theme'] = chosen.theme;
    });
  }

  set<K extends keyof Chosen>(key: K, value: Chosen[K]): void {
    this.chosen.update((chosen) => ({ ...chosen, [key]: value }));
  }

  nextTheme(): Theme {
    const order: Theme[] = ['system', 'light', 'dark'];
    const next = order[(order.indexOf(this.chosen().theme) + 1) % order.length] ?? 'system';
    this.set('theme', next);
    return next;
  }
}

function read(): Chosen {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return typeof kept === 'object' && kept !== null ? { ...DEFAULTS, ...kept } : DEFAULTS;
  } catch {
    return DEFAULTS;
  }
}
