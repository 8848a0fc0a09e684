import { ChangeDetectionStrategy, Component, ElementRef, inject, input, viewChild } from '@angular/core';
import { MatDialogModule } from '@angular/material/dialog';

import { Focus } from '../core/focus';
import { Submission } from '../core/submission';

/** The buttons at the end of a dialog with a form: one closes the dialog, the other sends the form. */
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

  /** Moves the focus to the button that sends the form, which loses it while the form is sent. */
  focusSend(): void {
    this.focus.moveTo(this.send);
  }
}
