import { Signal, untracked } from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { Observable, debounceTime, map } from 'rxjs';

const TYPING_MS = 250;

/** What is in a text field, without spaces around it, as it was when the typing last paused. Needs an injection context. */
export function settled(text: Signal<string>): Signal<string> {
  return toSignal(afterTyping(toObservable(text)), { initialValue: untracked(text).trim() });
}

/** What is typed, without spaces around it, each time the typing pauses. */
export function afterTyping(typed: Observable<string>): Observable<string> {
  return typed.pipe(
    debounceTime(TYPING_MS),
    map((text) => text.trim()),
  );
}
