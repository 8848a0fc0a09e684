import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { Icon } from '../shared/icon';
import { ConfigForm } from './config-form';
import * as contract from './contract';
import { Column, MASKS, columnsOf, isHashed, maskSecretPath } from './contract';
import { SecretSelect } from './secret-select';
import { SourceLook } from './source-look';

/** Types that can be chosen. Every other one is written in the YAML. */
const TYPES = [
  'text',
  'bigint',
  'integer',
  'numeric',
  'double precision',
  'boolean',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'uuid',
  'jsonb',
];

/** The columns: what was found about each and why, and what the YAML makes of it. */
@Component({
  selector: 'app-columns-step',
  templateUrl: './columns-step.html',
  styleUrl: './columns-step.scss',
  imports: [Icon, SecretSelect],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ColumnsStep {
  protected readonly form = inject(ConfigForm);
  private readonly look = inject(SourceLook);

  protected readonly masks = MASKS;
  protected readonly columns = computed(() =>
    columnsOf(this.form.tree(), this.look.columns(), this.look.renamed()),
  );
  protected readonly isOpen = computed(() =>
    this.columns().some(({ type, found }) => type === '' && found !== ''),
  );
  protected readonly hashed = computed(() => isHashed(this.form.tree()));
  protected readonly secret = computed(() => this.form.get(maskSecretPath(this.form.tree())));

  /** The types to choose from: the usual ones, and those that the column has. */
  protected typesOf({ type, found }: Column): string[] {
    return [...new Set([...TYPES, found, type])].filter((one) => one !== '');
  }

  protected keep(): void {
    this.form.change((text) => contract.keepTypes(text, this.columns()));
  }

  protected setType(column: Column, type: string): void {
    this.form.change((text) => contract.setType(text, column, type));
  }

  protected setRequired(column: Column, required: boolean): void {
    this.form.change((text) => contract.setRequired(text, column, required));
  }

  protected setKey(column: Column, isKey: boolean): void {
    this.form.change((text) => contract.setKey(text, column, isKey));
  }

  protected setName(column: Column, name: string): void {
    this.form.change((text) => contract.setName(text, column, name));
  }

  protected setMask(column: Column, mask: string): void {
    this.form.change((text) => contract.setMask(text, column, mask));
  }

  protected hashWith(secret: string): void {
    this.form.set(maskSecretPath(this.form.tree()), secret);
  }
}
