import { Params } from '@angular/router';

import { Condition, conditionOf, spelled } from '../core/api/data';

export const SIZES = [25, 50, 100, 250, 1000];
const USUAL_SIZE = 100;

/** What the page of data shows of a table, as its address keeps it. */
export interface Look {
  sort?: string;
  conditions: readonly Condition[];
  /** Columns that are not shown. */
  hidden: readonly string[];
  /** Whether the columns that elt adds are shown. */
  internal: boolean;
  /** Rows per page. */
  limit: number;
  /** Number of rows before the page. */
  offset: number;
}

/** A parameter of an address, which may be there several times. */
export type Several = string | string[] | undefined;

/** Parameters of the address that `lookOf` reads. */
export interface LookParams {
  sort?: string;
  filter?: Several;
  hide?: Several;
  internal?: string;
  rows?: string;
  row?: string;
}

/** What an address shows. Parameters that cannot be read are left out. */
export function lookOf({ sort, filter, hide, internal, rows, row }: LookParams): Look {
  const first = Number(row ?? 1);
  return {
    sort: sort || undefined,
    conditions: listOf(filter)
      .map(conditionOf)
      .filter((condition) => condition !== undefined),
    hidden: listOf(hide),
    internal: internal === 'true',
    limit: SIZES.find((size) => String(size) === rows) ?? USUAL_SIZE,
    offset: Number.isSafeInteger(first) && first > 1 && first <= 2 ** 31 ? first - 1 : 0,
  };
}

/** The parameters of an address that shows this. `null` takes a parameter out of the address. */
export function addressOf({ sort, conditions, hidden, internal, limit, offset }: Look): Params {
  return {
    sort: sort ?? null,
    filter: conditions.length > 0 ? conditions.map(spelled) : null,
    hide: hidden.length > 0 ? [...hidden] : null,
    internal: internal || null,
    rows: limit === USUAL_SIZE ? null : limit,
    row: offset > 0 ? offset + 1 : null,
  };
}

function listOf(parameter: Several): string[] {
  return parameter === undefined ? [] : Array.isArray(parameter) ? parameter : [parameter];
}
