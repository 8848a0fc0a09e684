import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { pipelineNames } from '../core/pipeline-names';
import { nodeAt, textsAt } from '../editor/yaml-tree';
import { Icon } from '../shared/icon';
import { ConfigForm } from './config-form';

const MODES: readonly [mode: string, words: string][] = [
  ['append', 'Add rows that are not there yet'],
  ['merge', 'Update rows of the same key, add the others'],
  ['replace', 'Replace all rows of the table'],
];

/** The table, and how rows meet those that are there. */
@Component({
  selector: 'app-target-step',
  template: `
    <div class="fields">
      <div class="field">
        <label for="pipeline">Name of the pipeline</label>
        <input
          #pipeline
          id="pipeline"
          class="input"
          autocomplete="off"
          spellcheck="false"
          [value]="name()"
          (input)="form.put(['name'], pipeline.value)"
        />
      </div>
      <div class="field">
        <label for="table">Table</label>
        <input
          #table
          id="table"
          class="input mono"
          autocomplete="off"
          autocapitalize="none"
          spellcheck="false"
          placeholder="table or schema.table"
          [value]="form.get(['target', 'table'])"
          (input)="form.put(['target', 'table'], table.value)"
        />
      </div>
      <div class="field">
        <label for="mode">How rows are loaded</label>
        <select #mode id="mode" class="select full" (change)="form.set(modePath(), mode.value)">
          @for (one of modes; track one[0]) {
            <option [value]="one[0]" [selected]="one[0] === current()">{{ one[1] }}</option>
          }
        </select>
      </div>
    </div>
    @if (exists()) {
      <p class="notice">
        <app-icon name="info" />
        <span>
          There is a pipeline of this name. What you save becomes its newest version, and a schedule of it
          takes the place of the one before.
        </span>
      </p>
    }
    @if (current() === 'merge') {
      @if (keys().length === 0) {
        <p class="notice warn" role="status">
          <app-icon name="key" />
          <span>Choose at least one column of the key in the columns above.</span>
        </p>
      } @else {
        <p class="small muted">The key is {{ keys().join(', ') }}.</p>
      }
    }
    <p class="small muted">
      @if (elsewhere()) {
        The server of the table is the one in the YAML.
      } @else {
        The table is on the server that elt was started with. Another one is written in the YAML.
      }
    </p>
  `,
  styles: `
    :host,
    .fields {
      display: grid;
      grid-template-columns: minmax(0, 1fr);
      gap: 12px;
    }

    @media (min-width: 721px) {
      .fields {
        grid-template-columns: repeat(2, minmax(0, 1fr));
      }
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class TargetStep {
  protected readonly form = inject(ConfigForm);
  protected readonly modes = MODES;
  protected readonly name = computed(() => this.form.get(['name']));
  private readonly known = pipelineNames(this.name);
  protected readonly exists = computed(
    () => this.name() !== '' && this.known.value()?.includes(this.name()) === true,
  );
  /** `target.mode` is another name of `load.mode`. */
  protected readonly modePath = computed(() =>
    nodeAt(this.form.tree(), ['target', 'mode']) === undefined ? ['load', 'mode'] : ['target', 'mode'],
  );
  protected readonly current = computed(() => this.form.get(this.modePath()) || 'append');
  protected readonly keys = computed(() => textsAt(this.form.tree(), ['load', 'key']));
  protected readonly elsewhere = computed(() =>
    ['url', 'host', 'user', 'username'].some((key) => this.form.get(['target', key]) !== ''),
  );
}
