import { ChangeDetectionStrategy, Component, computed, inject, input, numberAttribute } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { MaskedConfig } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { download } from '../core/files';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Remark, YamlEditor } from '../editor/yaml-editor';
import { CopyButton } from '../shared/copy-button';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { ConfigRemoval } from './config-removal';
import { remarksOf } from './remarks';

/** One version of a config: its YAML, the problems found in it, and the buttons to run or delete it. */
@Component({
  selector: 'app-config',
  templateUrl: './config.html',
  styleUrl: './config.scss',
  imports: [CopyButton, Icon, PageHeader, ProblemView, QueryState, RouterLink, Time, YamlEditor],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Config {
  private readonly api = inject(ConfigsApi);
  private readonly runs = inject(RunsApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly removal = inject(ConfigRemoval);

  readonly id = input.required({ transform: numberAttribute });

  protected readonly about = query(
    () => this.id(),
    (id) => this.api.find(id),
  );
  /** The text exactly as uploaded. The server records in the audit who read it. */
  protected readonly text = query(
    () => this.id(),
    (id) => this.api.view(id),
  );
  protected readonly remarks = computed<Remark[]>(() => {
    const config = this.about.value();
    if (config === undefined) return [];
    return [...remarksOf(config.problems, 'error'), ...remarksOf(config.warnings, 'warning')];
  });
  protected readonly submission = new Submission(this.id);

  protected run(): void {
    this.submission.send(this.runs.start({ config_id: this.id() }), (run) => {
      this.toaster.say('Run started.');
      void this.router.navigate(['/runs', run.id]);
    });
  }

  protected remove(config: MaskedConfig): void {
    this.removal.ask(config).subscribe((deleted) => {
      if (deleted) void this.router.navigate(['/config-history']);
    });
  }

  protected save(): void {
    const text = this.text.value();
    if (text !== undefined) download(`config-v${text.version}.yaml`, text.yaml_content, 'application/yaml');
  }
}
