import {
  ChangeDetectionStrategy,
  Component,
  computed,
  effect,
  inject,
  output,
  signal,
  untracked,
} from '@angular/core';
import { FormsModule } from '@angular/forms';
import { Subscription } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Query, query } from '../core/query';
import { Submission } from '../core/submission';
import { proposed } from '../run/preview-words';
import { Previews } from '../run/previews';
import { readReport } from '../run/report';
import { isOver, whyWaiting } from '../runs/run-words';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';

const AGAIN_MS = 1500;

/** A field for the URL of an API: a worker looks at it, and the config it proposes can be taken into the editor. */
@Component({
  selector: 'app-start-from-url',
  templateUrl: './start-from-url.html',
  styleUrl: './start-from-url.scss',
  imports: [ErrorCode, FormsModule, Icon, Previews, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StartFromUrl {
  private readonly configs = inject(ConfigsApi);
  private readonly runs = inject(RunsApi);

  /** The config that was chosen, as YAML. */
  readonly chosen = output<string>();

  protected readonly url = signal('');
  protected readonly token = signal('');
  protected readonly askable = computed(() => /^https?:\/\/[^/\s]/.test(this.url().trim()));
  protected readonly submission = new Submission();
  private readonly id = signal<string | undefined>(undefined);
  protected readonly run: Query<Run> = query(
    () => this.id(),
    (id) => this.runs.find(id),
    { every: () => (this.over() ? 0 : AGAIN_MS) },
  );
  private readonly over = computed(() => {
    const run = this.run.value();
    return run !== undefined && isOver(run);
  });
  protected readonly busy = computed(
    () => this.submission.busy() || (this.id() !== undefined && !this.over() && !this.run.problem()),
  );
  protected readonly waiting = computed(() => {
    const run = this.run.value();
    return run === undefined ? undefined : whyWaiting(run, undefined, Date.now());
  });
  protected readonly previews = computed(() => {
    const previews = readReport(this.run.value()?.report)?.previews ?? [];
    return previews.length > 0 ? previews : undefined;
  });
  protected readonly yaml = computed(() => proposed(this.previews()));

  constructor() {
    effect((onCleanup) => {
      const id = this.id();
      if (id === undefined) return;
      const stream: Subscription = this.runs.watch(id).subscribe({
        next: (event) => {
          if (event.kind === 'run') this.run.patch(() => event.run);
        },
        complete: () => untracked(() => this.run.reload()),
        // Without the stream, the repeated request above shows the same a little later.
        error: () => undefined,
      });
      onCleanup(() => stream.unsubscribe());
    });
  }

  protected look(): void {
    if (!this.askable() || this.busy()) return;
    const token = this.token().trim();
    const asked = this.configs.preview({ url: this.url().trim(), ...(token === '' ? {} : { token }) });
    this.id.set(undefined);
    this.submission.send(asked, (run) => this.id.set(run.id));
  }
}
