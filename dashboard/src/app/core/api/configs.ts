import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { JsonSchema } from '../../editor/config-schema';
import { ApiClient, given } from './client';
import { configsDelete } from './generated/fn/configs/configs-delete';
import { configsDiff } from './generated/fn/configs/configs-diff';
import { configsList } from './generated/fn/configs/configs-list';
import { configsOne } from './generated/fn/configs/configs-one';
import { configsPreview$Json } from './generated/fn/configs/configs-preview-json';
import { configsPreview$Yaml } from './generated/fn/configs/configs-preview-yaml';
import { configsSchema } from './generated/fn/configs/configs-schema';
import { configsUpload$Yaml } from './generated/fn/configs/configs-upload-yaml';
import { configsValidate$Yaml } from './generated/fn/configs/configs-validate-yaml';
import { configsView } from './generated/fn/configs/configs-view';
import { ConfigText } from './generated/models/config-text';
import { ConfigView } from './generated/models/config-view';
import { Diff } from './generated/models/diff';
import { MaskedConfig } from './generated/models/masked-config';
import { UploadAnswer } from './generated/models/upload-answer';
import { Validation } from './generated/models/validation';
import { Page, PreviewUrl, Run } from './models';

/** Configs: uploading, checking and comparing YAMLs. */
@Injectable({ providedIn: 'root' })
export class ConfigsApi {
  private readonly client = inject(ApiClient);

  /** Versions in which `search` occurs, the newest first. */
  list(search: string, limit: number, cursor?: string): Observable<Page<ConfigView>> {
    return this.client.call(configsList, given({ search, limit, cursor }));
  }

  /** Versions of one pipeline, the newest first. */
  ofPipeline(name: string, limit: number, cursor?: string): Observable<Page<ConfigView>> {
    return this.client.call(configsList, given({ name, limit, cursor }));
  }

  /** Secrets masked. */
  find(id: number): Observable<MaskedConfig> {
    return this.client.call(configsOne, { id });
  }

  /** The exact text. The server records in the audit who read it. */
  view(id: number): Observable<ConfigText> {
    return this.client.call(configsView, { id });
  }

  diff(from: number, to: number): Observable<Diff> {
    return this.client.call(configsDiff, { from, to });
  }

  /** Deletes a version that nothing refers to; answers 409 otherwise. */
  remove(id: number): Observable<void> {
    return this.client.call(configsDelete, { id });
  }

  upload(yaml: string): Observable<UploadAnswer> {
    return this.client.call(configsUpload$Yaml, { body: yaml });
  }

  /** Lets a worker look at a URL: answers with the run that shows what it found. */
  preview(url: PreviewUrl): Observable<Run> {
    return this.client.call(configsPreview$Json, { body: url });
  }

  /** Lets a worker look at the sources of a config: answers with the run that shows their first rows. */
  previewConfig(yaml: string): Observable<Run> {
    return this.client.call(configsPreview$Yaml, { body: yaml });
  }

  validate(yaml: string): Observable<Validation> {
    return this.client.call(configsValidate$Yaml, { body: yaml });
  }

  schema(): Observable<JsonSchema> {
    return this.client.call(configsSchema, {}) as Observable<JsonSchema>;
  }
}
