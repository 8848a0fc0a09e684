import { HttpParams } from '@angular/common/http';

/** Query parameters, without those that are not set. */
export function toParams(values: object): HttpParams {
  const entries = Object.entries(values as Record<string, unknown>);
  const set = entries.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return new HttpParams({ fromObject: Object.fromEntries(set.map(([key, value]) => [key, String(value)])) });
}
