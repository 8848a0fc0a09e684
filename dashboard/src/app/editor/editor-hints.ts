import { ChangeDetectionStrategy, Component } from '@angular/core';

/** How the editor is used by the keyboard. */
@Component({
  selector: 'app-editor-hints',
  template: `
    <kbd>Ctrl</kbd> + <kbd>Space</kbd> suggests keys and values · <kbd>Esc</kbd>, then <kbd>Tab</kbd> leaves
    the editor
  `,
  host: { class: 'small muted' },
  styles: `
    :host {
      display: block;
      padding: 10px 16px;
      border-top: 1px solid var(--border);
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class EditorHints {}
