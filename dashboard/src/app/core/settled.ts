import { Signal, untracked } from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { debounceTime, map } from 'rxjs';

const TYPING_MS = 250;

/** What is in a text field, without spaces around it, as it was when the typing last paused. Needs an injection context. */
export function settled(text: Signal<string>): Signal<string> {
  const pauses = toObservable(text).pipe(
    debounceTime(TYPING_MS),
    map((typed) => typed.trim()),
  );
  return toSignal(pauses, { initialValue: untracked(text).trim() });
}
