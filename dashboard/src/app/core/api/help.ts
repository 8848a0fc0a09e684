import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

/** A section of the help. */
export interface HelpHit {
  /** The title of its page. */
  page: string;
  heading: string;
  /** Below `/ui/help/`. */
  address: string;
}

/** The help inside the program, which is no part of the described API. */
@Injectable({ providedIn: 'root' })
export class HelpApi {
  private readonly http = inject(HttpClient);

  /** The first sections that have all words of a question. */
  search(q: string): Observable<HelpHit[]> {
    return this.http.get<HelpHit[]>('/ui/help/search.json', { params: { q } });
  }
}
