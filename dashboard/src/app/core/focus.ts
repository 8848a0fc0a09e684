import { ElementRef, Injectable, Injector, Signal, afterNextRender, inject } from '@angular/core';

/** Moves the keyboard focus when the element that had it disappears or can no longer be used. */
@Injectable({ providedIn: 'root' })
export class Focus {
  private readonly injector = inject(Injector);

  /** Focuses an element once the page shows it. The text of a field is selected, ready to be typed over. */
  moveTo(element: Signal<ElementRef<HTMLElement> | undefined>): void {
    afterNextRender(
      () => {
        const target = element()?.nativeElement;
        target?.focus();
        if (target instanceof HTMLInputElement) target.select();
      },
      { injector: this.injector },
    );
  }

  /** Scrolls to an element once the page shows it, as far as that is needed to see it. */
  reveal(element: Signal<ElementRef<HTMLElement> | undefined>): void {
    afterNextRender(() => element()?.nativeElement.scrollIntoView({ block: 'nearest' }), {
      injector: this.injector,
    });
  }
}
