import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { JsonSchema } from '../../editor/config-schema';
import { ConfigDiff, ConfigText, ConfigView, MaskedConfig, Page, UploadAnswer, Validation } from './models';
import { toParams } from './params';

/** Configs: uploading, checking and comparing YAMLs. */
@Injectable({ providedIn: 'root' })
export class ConfigsApi {
  private readonly http = inject(HttpClient);

  list(limit: number, cursor?: string): Observable<Page<ConfigView>> {
    return this.http.get<Page<ConfigView>>('/configs', { params: toParams({ limit, cursor }) });
  }

  /** Secrets masked. */
  find(id: number): Observable<MaskedConfig> {
    return this.http.get<MaskedConfig>(`/configs/${id}`);
  }

  /** The exact text; the server notes who looked. */
  view(id: number): Observable<ConfigText> {
    return this.http.get<ConfigText>(`/config/${id}`);
  }

  diff(from: number, to: number): Observable<ConfigDiff> {
    return this.http.get<ConfigDiff>('/configs/diff', { params: toParams({ from, to }) });
  }

  upload(yaml: string): Observable<UploadAnswer> {
    return this.http.post<UploadAnswer>('/upload-config', yamlForm(yaml));
  }

  validate(yaml: string): Observable<Validation> {
    return this.http.post<Validation>('/configs/validate', yamlForm(yaml));
  }

  schema(): Observable<JsonSchema> {
    return this.http.get<JsonSchema>('/configs/schema');
  }
}

/** A form with a YAML as its file. */
export function yamlForm(yaml: string): FormData {
  const form = new FormData();
  form.set('file', new Blob([yaml], { type: 'application/yaml' }), 'config.yaml');
  return form;
}
