import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  computed,
  inject,
  signal,
  viewChild,
} from '@angular/core';

import { ConfigsApi } from '../core/api/configs';
import { InboxesApi } from '../core/api/inboxes';
import { Submission } from '../core/submission';
import { Upload } from '../files/upload';
import { JobText } from '../new-job/job-text';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { ConfigForm } from './config-form';
import { nameAfter } from './source-edit';
import { SourceLook } from './source-look';

/** Takes the first file of an inbox: stores the config, because an inbox is one of a pipeline, uploads the file and previews it. */
@Component({
  selector: 'app-inbox-files',
  templateUrl: './inbox-files.html',
  styleUrl: './inbox-files.scss',
  imports: [Icon, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class InboxFiles {
  private readonly configs = inject(ConfigsApi);
  private readonly inboxes = inject(InboxesApi);
  private readonly form = inject(ConfigForm);
  private readonly look = inject(SourceLook);
  private readonly text = inject(JobText);
  private readonly box = viewChild.required<ElementRef<HTMLInputElement>>('box');

  protected readonly over = signal(false);
  protected readonly submission = new Submission();
  protected readonly upload = signal<Upload | undefined>(undefined);
  /** The name of the pipeline to which the file was uploaded, when the YAML has another one by now. */
  protected readonly elsewhere = computed(() => {
    const upload = this.upload();
    const name = this.form.pipeline();
    return upload?.state() === 'done' && name !== '' && name !== upload.pipeline
      ? { was: upload.pipeline, now: name }
      : undefined;
  });

  constructor() {
    inject(DestroyRef).onDestroy(() => this.upload()?.stop());
  }

  protected choose(): void {
    this.box().nativeElement.click();
  }

  protected take(files: FileList | null | undefined): void {
    const file = files?.[0];
    if (file !== undefined) this.bring(file);
  }

  protected bring(file: File): void {
    const before = this.upload()?.file.name ?? '';
    this.upload()?.stop();
    this.upload.set(undefined);
    this.form.change((text) => nameAfter(text, before, file.name));
    const yaml = this.text.yaml();
    const pipeline = this.form.pipeline();
    this.submission.send(this.configs.upload(yaml), () => {
      const options = { replace: false, run: false };
      const upload = new Upload(this.inboxes, pipeline, file, options, () => this.ended());
      this.upload.set(upload);
      upload.start();
    });
  }

  protected again(replace: boolean): void {
    this.upload()?.again(replace);
  }

  private ended(): void {
    const upload = this.upload();
    if (upload?.state() === 'done') this.look.start();
    // A second attempt waits for its turn, and here is no other file in front of it.
    else if (upload?.state() === 'queued') upload.start();
  }
}
