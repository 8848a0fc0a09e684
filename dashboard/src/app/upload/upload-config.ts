import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { from, switchMap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { UploadAnswer } from '../core/api/models';
import { Submission } from '../core/submission';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';

/** Uploads a YAML, and shows the version it was stored as and the problems found in it. */
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
  protected readonly kept = signal<UploadAnswer | undefined>(undefined);
  protected readonly submission = new Submission();

  protected send(file: File): void {
    if (this.submission.busy()) return;
    this.file.set(file.name);
    this.kept.set(undefined);
    const upload = from(file.text()).pipe(switchMap((text) => this.api.upload(text)));
    this.submission.send(upload, (kept) => this.kept.set(kept));
  }
}
