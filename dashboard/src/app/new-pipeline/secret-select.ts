import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { SecretView } from '../core/api/models';
import { SecretDialog } from '../secrets/secret-dialog';
import { SecretNames } from './secret-names';

/** Value of the option that stores a new secret. No text that a config could have begins with a line end. */
const STORE = '\nstore';

/** Chooses a stored secret by its name. The YAML gets `${secret:NAME}` and never the secret itself. */
@Component({
  selector: 'app-secret-select',
  template: `
    <div class="field">
      <label [for]="id()">{{ label() }}</label>
      <select #select class="select full" [id]="id()" (change)="take(select)">
        @for (option of options(); track option.value) {
          <option [value]="option.value" [selected]="option.value === value()">{{ option.words }}</option>
        }
      </select>
    </div>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SecretSelect {
  private readonly dialog = inject(MatDialog);
  private readonly secrets = inject(SecretNames);

  readonly id = input.required<string>();
  readonly label = input.required<string>();
  /** What the YAML says now. */
  readonly value = input.required<string>();
  /** What the YAML should say. */
  readonly chosen = output<string>();

  protected readonly options = computed(() => {
    const names = this.secrets.names.value() ?? [];
    const known = names.map((name) => ({ value: `\${secret:${name}}`, words: name }));
    const value = this.value();
    const isKnown = value === '' || known.some((option) => option.value === value);
    // A password that is written in the YAML is not shown a second time.
    const words = /^\$\{[^}]*\}$/.test(value) ? value : 'as it is written in the YAML';
    return [
      { value: '', words: 'none' },
      ...(isKnown ? [] : [{ value, words }]),
      ...known,
      { value: STORE, words: 'Store a new secret…' },
    ];
  });

  protected take(select: HTMLSelectElement): void {
    if (select.value !== STORE) return this.chosen.emit(select.value);
    select.value = this.value();
    this.dialog
      .open<SecretDialog, undefined, SecretView | ''>(SecretDialog, { width: '520px' })
      .afterClosed()
      .subscribe((stored) => {
        // A dialog that was cancelled has no result, or an empty text.
        if (!stored) return;
        this.secrets.names.reload();
        this.chosen.emit(`\${secret:${stored.name}}`);
      });
  }
}
