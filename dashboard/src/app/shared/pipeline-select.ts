import {
  ChangeDetectionStrategy,
  Component,
  computed,
  inject,
  input,
  linkedSignal,
  output,
  signal,
} from '@angular/core';

import { ConfigsApi } from '../core/api/configs';
import { PipelinesApi } from '../core/api/pipelines';
import { query } from '../core/query';
import { settled } from '../core/settled';
import { ProblemView } from './problem-view';

/** Most pipelines in the list. A search finds the others. */
const LISTED = 250;

interface Choice {
  config: string;
  words: string;
}

/** Chooses the newest version of a pipeline. When there are too many to list, the server searches. */
@Component({
  selector: 'app-pipeline-select',
  template: `
    @if (searching()) {
      <input
        #box
        class="input"
        type="search"
        placeholder="Search all pipelines"
        aria-label="Search all pipelines"
        [value]="search()"
        (input)="search.set(box.value)"
      />
    }
    <select #list class="select" [id]="fieldId()" [attr.aria-label]="label()" (change)="choose(list.value)">
      <option value="" [selected]="!config()">{{ placeholder() }}</option>
      @for (choice of choices(); track choice.config) {
        <option [value]="choice.config" [selected]="config() === choice.config">{{ choice.words }}</option>
      }
    </select>
    @if (note(); as note) {
      <p class="small muted" role="status">{{ note }}</p>
    }
    @if (pipelines.problem(); as problem) {
      <app-problem [problem]="problem" [retriable]="true" (retry)="pipelines.reload()" />
    }
  `,
  styles: `
    :host {
      display: grid;
      gap: 6px;
      min-width: 0;
    }
    .select {
      width: 100%;
      max-width: 100%;
      text-overflow: ellipsis;
    }
  `,
  imports: [ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PipelineSelect {
  private readonly api = inject(PipelinesApi);
  private readonly configs = inject(ConfigsApi);

  /** Id of the chosen config version. */
  readonly config = input<string>();
  readonly label = input.required<string>();
  readonly fieldId = input('pipeline');
  /** Whether the number of the version is shown beside the name. */
  readonly versions = input(true);
  readonly placeholder = input('Choose a pipeline…');
  readonly chosen = output<string>();

  protected readonly search = signal('');
  private readonly typed = settled(this.search);
  protected readonly pipelines = query(
    this.typed,
    (search) => this.api.list(search, LISTED),
    // The pipelines found before stay in the list until the next search has its answer.
    { identity: () => 'pipelines' },
  );
  /** Whether the search field is shown. Once a list was too long, it stays. */
  protected readonly searching = linkedSignal<boolean, boolean>({
    source: () => !!this.pipelines.value()?.next,
    computation: (more, before) => more || (before?.value ?? false),
  });
  private readonly known = computed(() =>
    this.pipelines.value()?.data.find((one) => String(one.config_id) === this.config()),
  );
  /** The chosen version, when it is not in the list because it is an older one or the search excludes its pipeline. */
  private readonly other = query(
    () => {
      const config = Number(this.config());
      const looked = this.pipelines.value() !== undefined;
      return looked && config > 0 && this.known() === undefined ? config : undefined;
    },
    (config) => this.configs.find(config),
  );
  protected readonly choices = computed<Choice[]>(() => {
    const listed = (this.pipelines.value()?.data ?? []).map((one) => ({
      config: String(one.config_id),
      words: this.wordsOf(one),
    }));
    const other = this.other.value();
    if (other === undefined) return listed;
    return [{ config: String(other.id), words: this.wordsOf(other) }, ...listed];
  });
  protected readonly note = computed(() => {
    const page = this.pipelines.value();
    if (page === undefined) return undefined;
    if (page.data.length === 0 && this.typed() !== '') return 'No pipeline name contains this text.';
    return page.next ? `The first ${LISTED} by name. Search to find the others.` : undefined;
  });

  private wordsOf({ name, version }: { name: string; version: number }): string {
    return this.versions() ? `${name} (version ${version})` : name;
  }

  protected choose(config: string): void {
    this.chosen.emit(config);
  }
}
