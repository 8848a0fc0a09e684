import { Injectable, computed, inject } from '@angular/core';

import { Toaster } from '../core/toaster';
import { removeYaml, setYaml, YamlValue } from '../editor/yaml-edit';
import { Remark } from '../editor/yaml-editor';
import { YamlPath, readYaml, textAt } from '../editor/yaml-tree';
import { JobText } from '../new-job/job-text';

/** The forms' view of the YAML. The text is all there is: forms read from it, and write into it. */
@Injectable()
export class ConfigForm {
  private readonly text = inject(JobText);
  private readonly toaster = inject(Toaster);

  readonly tree = computed(() => readYaml(this.text.yaml()));
  /** The place at which the YAML cannot be read. The forms wait until it is corrected. */
  readonly fault = computed<Remark | undefined>(() => {
    const { fault } = this.tree();
    if (fault !== undefined) return { ...fault, severity: 'error', message: 'This is not YAML.' };
    const found = this.text.validation();
    if (found === undefined || found.valid) return undefined;
    return this.text.remarks()[0] ?? { severity: 'error', message: 'This is not YAML.' };
  });

  /** Name of the pipeline: that of its table, unless it has another. Empty while it has none. */
  readonly pipeline = computed(() => this.get(['name']) || this.get(['target', 'table']));

  /** The text at a path; empty if the YAML has none there. */
  get(path: YamlPath): string {
    return textAt(this.tree(), path) ?? '';
  }

  /** Writes a value; removes the key when it is empty. */
  set(path: YamlPath, value: YamlValue): void {
    this.change((text) => (value === '' ? removeYaml(text, path) : setYaml(text, path, value)));
  }

  /** Writes a value that a config must have, also an empty one. */
  put(path: YamlPath, value: YamlValue): void {
    this.change((text) => setYaml(text, path, value));
  }

  /** Changes the text. `undefined`: it is written in a way that cannot be changed here. */
  change(edit: (text: string) => string | undefined): void {
    const changed = edit(this.text.yaml());
    if (changed === undefined)
      this.toaster.say(
        'The YAML says this with an alias or in another special way. Change it in the editor.',
      );
    else this.text.yaml.set(changed);
  }
}
