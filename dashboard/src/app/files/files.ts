import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  computed,
  inject,
  input,
  linkedSignal,
  signal,
  viewChild,
} from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { FileEntry } from '../core/api/generated/models/file-entry';
import { InboxesApi } from '../core/api/inboxes';
import { bytes } from '../core/format';
import { paged } from '../core/paged';
import { Session } from '../core/session';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { Upload } from './upload';

const PIPELINES = 250;
const LIMIT = 50;
const AGAIN_MS = 10_000;

/** Uploads files to a pipeline, one after the other, and shows those that are in its inbox. */
@Component({
  selector: 'app-files',
  templateUrl: './files.html',
  styleUrl: './files.scss',
  imports: [Empty, Icon, More, PageHeader, ProblemView, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Files {
  private readonly api = inject(InboxesApi);
  private readonly router = inject(Router);
  private readonly session = inject(Session);
  private readonly confirmation = inject(Confirmation);
  private readonly box = viewChild<ElementRef<HTMLInputElement>>('box');

  /** Name of the pipeline, from the address. */
  readonly pipeline = input<string>();

  protected readonly inboxes = paged(
    () => ({}),
    (_, cursor) => this.api.list(PIPELINES, cursor),
    (inbox) => inbox.pipeline,
  );
  /** The inbox that files go to: the one of the address, or the only one. */
  protected readonly inbox = computed(() => {
    const all = this.inboxes.items() ?? [];
    return all.find((inbox) => inbox.pipeline === this.pipeline()) ?? (all.length === 1 ? all[0] : undefined);
  });
  protected readonly files = paged(
    () => this.inbox()?.pipeline,
    (name, cursor) => this.api.files(name, LIMIT, cursor),
    (file) => file.name,
    { every: AGAIN_MS },
  );

  protected readonly over = signal(false);
  protected readonly run = linkedSignal(() => this.inbox()?.may_run ?? false);
  protected readonly uploads = signal<readonly Upload[]>([]);
  protected readonly isAdmin = computed(() => this.session.role() === 'admin');
  protected readonly bytes = bytes;

  constructor() {
    inject(DestroyRef).onDestroy(() => {
      // The list is empty first, so that the end of an upload does not begin the next one.
      const all = this.uploads();
      this.uploads.set([]);
      all.forEach((upload) => upload.stop());
    });
  }

  protected choosePipeline(name: string): void {
    void this.router.navigate([], { queryParams: { pipeline: name }, replaceUrl: true });
  }

  protected chooseFiles(): void {
    this.box()?.nativeElement.click();
  }

  protected take(files: FileList | null | undefined): void {
    const inbox = this.inbox();
    if (inbox === undefined || files === null || files === undefined || files.length === 0) return;
    const options = { replace: false, run: this.run() && inbox.may_run };
    const taken = [...files].map(
      (file) => new Upload(this.api, inbox.pipeline, file, options, () => this.next()),
    );
    this.uploads.update((known) => [...known, ...taken]);
    this.next();
  }

  protected remove(pipeline: string, file: FileEntry): void {
    this.confirmation
      .ask({
        title: `Remove ${file.name}?`,
        words: 'The file is removed from the inbox. Rows that were loaded from it stay in the table.',
        yes: 'Remove',
        danger: true,
        request: () => this.api.remove(pipeline, file.name),
      })
      .subscribe((removed) => {
        if (removed) this.files.remove(file);
      });
  }

  /** Begins with the next file when no other one is under way. */
  private next(): void {
    if (this.uploads().length === 0) return;
    this.files.first.reload();
    if (this.uploads().some((upload) => ['sending', 'waiting'].includes(upload.state()))) return;
    this.uploads()
      .find((upload) => upload.state() === 'queued')
      ?.start();
  }
}
