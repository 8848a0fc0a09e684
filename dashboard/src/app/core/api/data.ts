import { HttpClient, HttpParams, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { DownloadsApi } from './downloads';
import { dataDataView$FormData } from './generated/fn/data/data-data-view-form-data';
import { dataExportOfConfig } from './generated/fn/data/data-export-of-config';
import { sharedTablesExport$Csv } from './generated/fn/shared-tables/shared-tables-export-csv';
import { sharedTablesRows } from './generated/fn/shared-tables/shared-tables-rows';
import { DownloadLink } from './generated/models/download-link';
import { DataView } from './generated/models/data-view';

export const OPERATORS = ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'contains', 'null', 'not_null'] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Condition {
  column: string;
  operator: Operator;
  value: string;
}

/** A condition as the API and the address write it: `column:operator:value`. */
export function spelled({ column, operator, value }: Condition): string {
  return `${column}:${operator}:${value}`;
}

/** The condition of a text. A column may have colons in its name: the operator is the first word between two that is one. */
export function conditionOf(text: string): Condition | undefined {
  const parts = text.split(':');
  for (let at = 1; at < parts.length; at++) {
    const operator = OPERATORS.find((one) => one === parts[at]);
    if (operator === undefined) continue;
    return { column: parts.slice(0, at).join(':'), operator, value: parts.slice(at + 1).join(':') };
  }
  return undefined;
}

/**
 * The target to read: that of a config version, for admins, that of a pipeline that is shared with the user, or that of a
 * YAML. `table`: which one, of a table for each file.
 */
export type Target =
  { config: number; table?: string } | { shared: string; table?: string } | { yaml: string };

/** The kind of an exported file. Excel and Parquet files are made of shared tables only. */
export type FileFormat = 'csv' | 'xlsx' | 'parquet';

/** Some rows of a target table. */
export type DataPage = Omit<DataView, 'rows'> & { rows: Record<string, unknown>[] };

export interface DataQuery {
  sort?: string;
  conditions: readonly Condition[];
  limit?: number;
  /** Number of rows before the page. */
  offset?: number;
  /** Whether the columns that elt adds are among them: `_elt_run_id`, `_elt_file` and others. */
  internal?: boolean;
}

/** Rows of target tables. The requests are written by hand, because the generated ones can send no form without a file and read no CSV. */
@Injectable({ providedIn: 'root' })
export class DataApi {
  private readonly http = inject(HttpClient);
  private readonly downloads = inject(DownloadsApi);

  page(target: Target, query: DataQuery): Observable<DataPage> {
    const params = paramsOf(target, query);
    if ('shared' in target)
      return this.http.get<DataPage>(pathOf(sharedTablesRows.PATH, target.shared), { params });
    return this.http.post<DataPage>(dataDataView$FormData.PATH, formOf(target), { params });
  }

  /**
   * A link to all rows as CSV, of which there may be more than fit into memory. A target that a YAML names has none, because a
   * link carries no YAML.
   */
  csvLink(target: Exclude<Target, { yaml: string }>, query: DataQuery): Observable<DownloadLink> {
    const params = paramsOf(target, { ...query, limit: undefined, offset: undefined }).set('format', 'csv');
    const path =
      'shared' in target ? pathOf(sharedTablesExport$Csv.PATH, target.shared) : dataExportOfConfig.PATH;
    return this.downloads.link(path, params);
  }

  /** All rows as a file. */
  file(target: Target, query: DataQuery, format: FileFormat): Observable<HttpResponse<Blob>> {
    const params = paramsOf(target, { ...query, limit: undefined, offset: undefined }).set('format', format);
    if ('shared' in target) {
      const path = pathOf(sharedTablesExport$Csv.PATH, target.shared);
      return this.http.get(path, { params, observe: 'response', responseType: 'blob' });
    }
    return this.http.post(dataDataView$FormData.PATH, formOf(target), {
      params,
      observe: 'response',
      responseType: 'blob',
    });
  }
}

function pathOf(path: string, pipeline: string): string {
  return path.replace('{name}', encodeURIComponent(pipeline));
}

function formOf(target: Target): FormData {
  const form = new FormData();
  if ('yaml' in target)
    form.set('file', new Blob([target.yaml], { type: 'application/yaml' }), 'target.yaml');
  return form;
}

function paramsOf(target: Target, query: DataQuery): HttpParams {
  let params = new HttpParams();
  if ('config' in target) params = params.set('config_id', target.config);
  if (!('yaml' in target) && target.table) params = params.set('table', target.table);
  if (query.sort) params = params.set('sort', query.sort);
  if (query.limit !== undefined) params = params.set('limit', query.limit);
  if (query.internal && !('shared' in target)) params = params.set('internal', true);
  if (query.offset) params = params.set('offset', query.offset);
  for (const { column, operator, value } of query.conditions) {
    params = params.append('filter', spelled({ column, operator, value }));
  }
  return params;
}
