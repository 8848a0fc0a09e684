import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { nodeAt } from '../editor/yaml-tree';
import { Icon } from '../shared/icon';
import { ConfigForm } from './config-form';
import { InboxFiles } from './inbox-files';
import { SecretSelect } from './secret-select';
import { SOURCE, keyOf, setField, switchKind } from './source-edit';
import { SOURCE_KINDS, SourceField } from './source-kinds';

/** The kind of the source, and the few keys that it needs. */
@Component({
  selector: 'app-source-step',
  templateUrl: './source-step.html',
  styleUrl: './source-step.scss',
  imports: [Icon, InboxFiles, SecretSelect],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SourceStep {
  protected readonly form = inject(ConfigForm);
  protected readonly kinds = SOURCE_KINDS;
  protected readonly type = computed(() => this.form.get([...SOURCE, 'type']));
  protected readonly kind = computed(() => SOURCE_KINDS.find(({ type }) => type === this.type()));
  /** How many further sources the YAML has. */
  protected readonly others = computed(() => {
    const sources = nodeAt(this.form.tree(), ['sources']);
    return sources?.kind === 'list' ? Math.max(0, sources.items.length - 1) : 0;
  });

  protected value(field: SourceField): string {
    return this.form.get([...SOURCE, keyOf(this.form.tree(), field)]);
  }

  protected choose(type: string): void {
    this.form.change((text) => switchKind(text, type));
  }

  protected set(field: SourceField, value: string | boolean): void {
    this.form.change((text) => setField(text, field, value));
  }
}
