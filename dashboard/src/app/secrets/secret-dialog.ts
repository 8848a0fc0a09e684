import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  signal,
  viewChild,
} from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { SecretView } from '../core/api/models';
import { SecretsApi } from '../core/api/secrets';
import { pipelineNames } from '../core/pipeline-names';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { SecretFields, fieldsOf, isValue, nameProblem, requestOf } from './secret-form';

/** Stores a new secret, or changes a stored one. Closes with the secret as the server has it now. */
@Component({
  selector: 'app-secret-dialog',
  templateUrl: './secret-dialog.html',
  styleUrl: './secret-dialog.scss',
  imports: [DialogEnd, FormsModule, Icon, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SecretDialog {
  private readonly api = inject(SecretsApi);
  private readonly dialog = inject(MatDialogRef<SecretDialog, SecretView>);
  private readonly pipelineBox = viewChild<ElementRef<HTMLInputElement>>('pipelineBox');
  /** The secret to change. Missing for a new one. */
  protected readonly secret =
    inject<SecretView | undefined>(MAT_DIALOG_DATA, { optional: true }) ?? undefined;

  protected readonly fields = signal<SecretFields>(fieldsOf(this.secret));
  /** The text in the field that adds a pipeline. */
  protected readonly pipeline = signal('');
  protected readonly submission = new Submission();
  /** Names of all secrets, because storing a new one under a known name would replace that secret. */
  protected readonly names = query(
    () => (this.secret === undefined ? {} : undefined),
    () => this.api.names(),
  );
  protected readonly suggested = pipelineNames(this.pipeline);
  protected readonly wrongName = computed(() => nameProblem(this.fields().name, this.names.value() ?? []));
  protected readonly ready = computed(() => {
    const { name, value } = this.fields();
    if (this.secret !== undefined) return value === '' || isValue(value);
    return (
      name !== '' && this.wrongName() === undefined && this.names.value() !== undefined && isValue(value)
    );
  });

  protected set<K extends keyof SecretFields>(key: K, value: SecretFields[K]): void {
    this.fields.update((fields) => ({ ...fields, [key]: value }));
  }

  protected addPipeline(): void {
    const name = this.pipeline().trim();
    const { pipelines } = this.fields();
    if (name !== '' && !pipelines.includes(name)) this.set('pipelines', [...pipelines, name]);
    this.pipeline.set('');
    this.pipelineBox()?.nativeElement.focus();
  }

  protected removePipeline(name: string): void {
    this.set(
      'pipelines',
      this.fields().pipelines.filter((other) => other !== name),
    );
    this.pipelineBox()?.nativeElement.focus();
  }

  protected save(): void {
    if (!this.ready()) return;
    // A name that was typed and not added yet is meant as well.
    if (!this.fields().all && this.pipeline().trim() !== '') this.addPipeline();
    const fields = this.fields();
    this.submission.send(this.api.put(fields.name, requestOf(fields)), (stored) => this.dialog.close(stored));
  }
}
