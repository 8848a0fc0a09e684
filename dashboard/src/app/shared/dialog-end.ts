import { ChangeDetectionStrategy, Component, ElementRef, inject, input, viewChild } from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import { MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { Focus } from '../core/focus';
import { Submission } from '../core/submission';
import { Confirmation } from './confirm';

/**
 * The buttons at the end of a dialog with a form: one closes the dialog, the other sends the form. Once something was
 * typed, a click beside the dialog no longer closes it, and Escape asks first.
 */
@Component({
  selector: 'app-dialog-end',
  template: `
    <mat-dialog-actions align="end">
      @if (cancelable()) {
        <button type="button" class="btn" mat-dialog-close>Cancel</button>
      }
      <button #send type="submit" class="btn primary" [disabled]="!ready() || submission().busy()">
        {{ submission().busy() ? during() : does() }}
      </button>
    </mat-dialog-actions>
  `,
  styles: `
    :host {
      display: contents;
    }
  `,
  imports: [MatDialogModule],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class DialogEnd {
  private readonly focus = inject(Focus);
  private readonly send = viewChild<ElementRef<HTMLButtonElement>>('send');

  readonly submission = input.required<Submission>();
  /** Whether the fields are complete. */
  readonly ready = input(true);
  /** Whether the dialog can still be closed without sending the form. */
  readonly cancelable = input(true);
  /** The label of the button that sends the form. */
  readonly does = input.required<string>();
  /** Its label until the answer arrives. */
  readonly during = input.required<string>();

  constructor() {
    const form = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement.closest('form');
    const dialog = inject(MatDialogRef);
    const confirmation = inject(Confirmation);
    form?.addEventListener('input', () => (dialog.disableClose = true));
    const keys = dialog.keydownEvents().pipe(takeUntilDestroyed());
    keys.subscribe((event) => {
      if (event.key !== 'Escape' || dialog.disableClose !== true || !this.cancelable()) return;
      confirmation
        .ask({
          title: 'Discard what you typed?',
          words: 'It was not sent yet.',
          yes: 'Discard',
          danger: true,
        })
        .subscribe((yes) => {
          if (yes) dialog.close();
        });
    });
  }

  /** Moves the focus to the button that sends the form, which loses it while the form is sent. */
  focusSend(): void {
    this.focus.moveTo(this.send);
  }
}
