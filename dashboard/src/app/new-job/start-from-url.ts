import { ChangeDetectionStrategy, Component, computed, inject, output, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';

import { ConfigsApi } from '../core/api/configs';
import { Submission } from '../core/submission';
import { proposed } from '../run/preview-words';
import { Previews } from '../run/previews';
import { readReport } from '../run/report';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { followRun } from './followed';
import { Hindrance } from './hindrance';

/** A field for the URL of an API: a worker looks at it, and the config it proposes can be taken into the editor. */
@Component({
  selector: 'app-start-from-url',
  templateUrl: './start-from-url.html',
  styleUrl: './start-from-url.scss',
  imports: [FormsModule, Hindrance, Icon, Previews, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StartFromUrl {
  private readonly configs = inject(ConfigsApi);

  /** The config that was chosen, as YAML. */
  readonly chosen = output<string>();

  protected readonly url = signal('');
  protected readonly token = signal('');
  protected readonly askable = computed(() => /^https?:\/\/[^/\s]/.test(this.url().trim()));
  protected readonly submission = new Submission();
  private readonly id = signal<string | undefined>(undefined);
  private readonly followed = followRun(this.id);
  protected readonly run = this.followed.run;
  protected readonly busy = computed(
    () => this.submission.busy() || (this.id() !== undefined && !this.followed.over() && !this.run.problem()),
  );
  protected readonly previews = computed(() => {
    const previews = readReport(this.run.value()?.report)?.previews ?? [];
    return previews.length > 0 ? previews : undefined;
  });
  protected readonly yaml = computed(() => proposed(this.previews()));

  protected look(): void {
    if (!this.askable() || this.busy()) return;
    const token = this.token().trim();
    const asked = this.configs.preview({ url: this.url().trim(), ...(token === '' ? {} : { token }) });
    this.id.set(undefined);
    this.submission.send(asked, (run) => this.id.set(run.id));
  }
}
