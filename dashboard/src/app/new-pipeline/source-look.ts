import { Injectable, computed, inject, signal } from '@angular/core';

import { ConfigsApi } from '../core/api/configs';
import { SourcePreview } from '../core/api/models';
import { Submission } from '../core/submission';
import { RawYaml, setYaml } from '../editor/yaml-edit';
import { nodeAt, readYaml } from '../editor/yaml-tree';
import { followRun } from '../new-job/followed';
import { JobText } from '../new-job/job-text';
import { readReport } from '../run/report';
import { renamesOf } from './contract';

/** The preview of the sources: a worker reads their first rows, and loads nothing. */
@Injectable()
export class SourceLook {
  private readonly configs = inject(ConfigsApi);
  private readonly text = inject(JobText);

  private readonly id = signal<string | undefined>(undefined);
  private readonly followed = followRun(this.id);
  readonly submission = new Submission();
  readonly run = this.followed.run;
  readonly busy = computed(
    () => this.submission.busy() || (this.id() !== undefined && !this.followed.over() && !this.run.problem()),
  );
  readonly previews = computed<SourcePreview[]>(() => readReport(this.run.value()?.report)?.previews ?? []);
  /** The columns of all sources. Those of the same name are one. */
  readonly columns = computed(() => {
    const all = this.previews().flatMap((preview) => preview.columns ?? []);
    return all.filter((column, at) => all.findIndex(({ name }) => name === column.name) === at);
  });
  /** The renames with which the preview was made. */
  readonly renamed = signal<ReadonlyMap<string, string>>(new Map());

  start(): void {
    if (this.busy()) return;
    const yaml = this.text.yaml();
    this.id.set(undefined);
    this.submission.send(this.configs.previewConfig(yaml), (run) => {
      // The text is stored as a version, but the draft stays, because a look does not finish the work on it.
      this.renamed.set(renamesOf(readYaml(yaml)));
      this.id.set(run.id);
    });
  }
}

/** What previews found about their sources and the YAML does not say yet, as changes of the YAML. */
export function findings(
  text: string,
  previews: readonly SourcePreview[],
): { key: string; path: (string | number)[]; value: string }[] {
  const tree = readYaml(text);
  return previews.flatMap((preview, source) =>
    (preview.choices ?? []).flatMap(({ key = '', value, confidence }) => {
      const path = key === 'load' ? [key] : ['sources', source, ...key.split('.')];
      const isNew = nodeAt(tree, path) === undefined;
      return value && confidence !== 'unsure' && isNew ? [{ key, path, value }] : [];
    }),
  );
}

/** Writes what was found. */
export function useFindings(text: string, previews: readonly SourcePreview[]): string | undefined {
  return findings(text, previews).reduce<string | undefined>(
    (changed, { path, value }) =>
      changed === undefined ? undefined : setYaml(changed, path, new RawYaml(value)),
    text,
  );
}
