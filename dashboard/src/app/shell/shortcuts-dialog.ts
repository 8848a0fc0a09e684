import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { MatDialogModule } from '@angular/material/dialog';

import { Preferences } from '../core/preferences';
import { Shortcuts } from '../core/shortcuts';

/** Lists the keyboard shortcuts that work on the current page. */
@Component({
  selector: 'app-shortcuts-dialog',
  template: `
    <h2 mat-dialog-title>Keyboard shortcuts</h2>
    <mat-dialog-content>
      @for (group of groups(); track group.title) {
        <h3>{{ group.title }}</h3>
        <dl>
          @for (shortcut of group.shortcuts; track shortcut.keys) {
            <div>
              <dt>{{ shortcut.does }}</dt>
              <dd>
                @for (key of shortcut.keys.split(' '); track $index) {
                  <kbd>{{ key }}</kbd>
                }
              </dd>
            </div>
          }
        </dl>
      }
      <p class="muted"><kbd>Ctrl</kbd> <kbd>K</kbd>, on a Mac <kbd>⌘</kbd> <kbd>K</kbd>: go to anything</p>
      <label class="check">
        <input
          type="checkbox"
          [checked]="preferences.current().shortcuts"
          (change)="preferences.set('shortcuts', !preferences.current().shortcuts)"
        />
        Use single-key shortcuts
      </label>
    </mat-dialog-content>
    <mat-dialog-actions align="end">
      <button type="button" class="btn primary" mat-dialog-close cdkFocusInitial>Close</button>
    </mat-dialog-actions>
  `,
  styles: `
    h3 {
      margin: 14px 0 6px;
      color: var(--muted);
    }
    dl {
      columns: 2 220px;
      column-gap: 28px;
    }
    dl > div {
      display: flex;
      justify-content: space-between;
      gap: 12px;
      padding: 4px 0;
      break-inside: avoid;
    }
    dd {
      white-space: nowrap;
    }
    kbd + kbd {
      margin-left: 4px;
    }
    p {
      margin-top: 14px;
    }
    .check {
      margin-top: 16px;
    }
  `,
  imports: [MatDialogModule],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ShortcutsDialog {
  private readonly shortcuts = inject(Shortcuts);
  protected readonly preferences = inject(Preferences);

  protected readonly groups = computed(() =>
    [
      { title: 'Everywhere', where: 'everywhere' },
      { title: 'On this page', where: 'this page' },
    ]
      .map(({ title, where }) => ({
        title,
        shortcuts: this.shortcuts.list().filter((shortcut) => shortcut.where === where),
      }))
      .filter((group) => group.shortcuts.length > 0),
  );
}
