import { HttpClient, HttpParams, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { dataDataView$FormData } from './generated/fn/data/data-data-view-form-data';
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

/** The target to read: that of a config version, for admins, or that of a YAML. `table`: which one, of a table for each file. */
export type Target = { config: number; table?: string } | { yaml: string };

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

  page(target: Target, query: DataQuery): Observable<DataPage> {
    return this.http.post<DataPage>(dataDataView$FormData.PATH, formOf(target), {
      params: paramsOf(target, query),
    });
  }

  csv(target: Target, query: DataQuery): Observable<HttpResponse<Blob>> {
    const params = paramsOf(target, { ...query, limit: undefined, offset: undefined }).set('format', 'csv');
    return this.http.post(dataDataView$FormData.PATH, formOf(target), {
      params,
      observe: 'response',
      responseType: 'blob',
    });
  }
}

function formOf(target: Target): FormData {
  const form = new FormData();
  if ('yaml' in target)
    form.set('file', new Blob([target.yaml], { type: 'application/yaml' }), 'target.yaml');
  return form;
}

function paramsOf(target: Target, query: DataQuery): HttpParams {
  let params = new HttpParams();
  if ('config' in target) {
    params = params.set('config_id', target.config);
    if (target.table) params = params.set('table', target.table);
  }
  if (query.sort) params = params.set('sort', query.sort);
  if (query.limit !== undefined) params = params.set('limit', query.limit);
  if (query.internal) params = params.set('internal', true);
  if (query.offset) params = params.set('offset', query.offset);
  for (const { column, operator, value } of query.conditions) {
    params = params.append('filter', spelled({ column, operator, value }));
  }
  return params;
}
