import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { MAT_DIALOG_DATA, MatDialogModule } from '@angular/material/dialog';

import { CopyButton } from '../shared/copy-button';

/** Shows the whole value of one cell. */
@Component({
  selector: 'app-cell-dialog',
  template: `
    <h2 mat-dialog-title>
      {{ cell.name }} <span class="muted small">{{ cell.type }}</span>
    </h2>
    <mat-dialog-content>
      <pre tabindex="0" [textContent]="cell.text"></pre>
    </mat-dialog-content>
    <mat-dialog-actions align="end">
      <app-copy [text]="cell.text" label="Copy the value" />
      <button type="button" class="btn" mat-dialog-close cdkFocusInitial>Close</button>
    </mat-dialog-actions>
  `,
  styles: `
    pre {
      white-space: pre-wrap;
      overflow-wrap: anywhere;
    }
    .small {
      font-weight: 450;
    }
  `,
  imports: [CopyButton, MatDialogModule],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CellDialog {
  protected readonly cell = inject<{ name: string; type: string; text: string }>(MAT_DIALOG_DATA);
}
