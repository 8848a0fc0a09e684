import { ChangeDetectionStrategy, Component, input } from '@angular/core';
import { MatDialogModule } from '@angular/material/dialog';

import { Submission } from '../core/submission';

/** The buttons at the end of a dialog with a form: one closes the dialog, the other sends the form. */
@Component({
  selector: 'app-dialog-end',
  template: `
    <mat-dialog-actions align="end">
      <button type="button" class="btn" mat-dialog-close>Cancel</button>
      <button type="submit" class="btn primary" [disabled]="!ready() || submission().busy()">
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
  readonly submission = input.required<Submission>();
  /** Whether the fields are complete. */
  readonly ready = input(true);
  /** The label of the button that sends the form. */
  readonly does = input.required<string>();
  /** Its label until the answer arrives. */
  readonly during = input.required<string>();
}
