import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { finalize } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { UploadAnswer } from '../core/api/models';
import { Problem, toProblem } from '../core/problem';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';

/** Hands in a YAML; the server keeps it as a version and says what it thinks of it. */
@Component({
  selector: 'app-upload-config',
  templateUrl: './upload-config.html',
  styleUrl: './upload-config.scss',
  imports: [FileDrop, Icon, PageHeader, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class UploadConfig {
  private readonly api = inject(ConfigsApi);

  protected readonly file = signal<string | undefined>(undefined);
  protected readonly busy = signal(false);
  protected readonly kept = signal<UploadAnswer | undefined>(undefined);
  protected readonly problem = signal<Problem | undefined>(undefined);

  protected async send(file: File): Promise<void> {
    this.file.set(file.name);
    this.busy.set(true);
    this.kept.set(undefined);
    this.problem.set(undefined);
    this.api
      .upload(await file.text())
      .pipe(finalize(() => this.busy.set(false)))
      .subscribe({
        next: (kept) => this.kept.set(kept),
        error: (error: unknown) => this.problem.set(toProblem(error)),
      });
  }
}
