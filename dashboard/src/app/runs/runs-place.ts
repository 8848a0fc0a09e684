import { Injectable, signal } from '@angular/core';
import { Params } from '@angular/router';

/** The filters of the list of runs as they were last shown, so that the page of a run leads back to the same list. */
@Injectable({ providedIn: 'root' })
export class RunsPlace {
  readonly filters = signal<Params>({});
}
