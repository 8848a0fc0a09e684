import { DOCUMENT, DestroyRef, Injectable, computed, inject, signal } from '@angular/core';

import { Preferences } from './preferences';

/** A key, or two keys pressed in a row (`g r`), and what they do. */
export interface Shortcut {
  keys: string;
  does: string;
  where: 'everywhere' | 'this page';
  run: () => void;
}

const SEQUENCE_MS = 1200;

/** Single-key shortcuts. They are off in text fields, and for people who turned them off. */
@Injectable({ providedIn: 'root' })
export class Shortcuts {
  private readonly preferences = inject(Preferences);
  private readonly document = inject(DOCUMENT);
  private readonly known = signal<readonly Shortcut[]>([]);
  private pending = '';
  private pendingUntil = 0;

  readonly list = computed(() => this.known());

  constructor() {
    this.document.addEventListener('keydown', (event) => this.press(event));
  }

  /** Adds shortcuts until the caller is destroyed. Needs an injection context. */
  offer(...shortcuts: Shortcut[]): void {
    this.known.update((known) => [...known, ...shortcuts]);
    inject(DestroyRef).onDestroy(() =>
      this.known.update((known) => known.filter((shortcut) => !shortcuts.includes(shortcut))),
    );
  }

  /** Lets `r` reload the list of a page. Needs an injection context. */
  offerReload(list: { reload: () => void }): void {
    this.offer({ keys: 'r', does: 'Reload the list', where: 'this page', run: () => list.reload() });
  }

  private press(event: KeyboardEvent): void {
    if (!this.preferences.current().shortcuts || event.defaultPrevented) return;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (
      this.document.querySelector('.cdk-overlay-container [role=dialog], .cdk-overlay-container [role=menu]')
    ) {
      return;
    }
    const keys = event.timeStamp < this.pendingUntil ? `${this.pending} ${event.key}` : event.key;
    const found = this.known().findLast((shortcut) => shortcut.keys === keys);
    if (found !== undefined) {
      this.pending = '';
      this.pendingUntil = 0;
      event.preventDefault();
      found.run();
    } else {
      this.pending = event.key;
      this.pendingUntil = event.timeStamp + SEQUENCE_MS;
    }
  }
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName);
}
