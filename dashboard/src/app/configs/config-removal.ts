import { Injectable, inject } from '@angular/core';
import { Observable, tap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { ConfigView } from '../core/api/models';
import { Problem } from '../core/problem';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';

/** Why the server keeps a version, and what can be done, by the code of its answer. */
const KEPT: Record<string, Pick<Problem, 'sentence' | 'nextStep'>> = {
  config_in_use: {
    sentence: 'This version stays, because a run or a schedule refers to it.',
    nextStep:
      'A version that has run, or that a schedule was made for, is kept for the history. To stop using it, upload a newer version and stop the schedule.',
  },
  config_newest: {
    sentence: 'This version stays, because it is the newest one of its pipeline.',
    nextStep: 'Upload a newer version first. This one can then be deleted.',
  },
};

/** Asks before a config version is deleted, and deletes it. */
@Injectable({ providedIn: 'root' })
export class ConfigRemoval {
  private readonly api = inject(ConfigsApi);
  private readonly confirmation = inject(Confirmation);
  private readonly toaster = inject(Toaster);

  /** Emits once whether the version was deleted. */
  ask({ id, name, version }: ConfigView): Observable<boolean> {
    return this.confirmation
      .ask({
        title: `Delete version ${version} of ${name}?`,
        words: 'The YAML of this version is deleted for good. Other versions stay.',
        yes: 'Delete it',
        danger: true,
        request: () => this.api.remove(id),
        refused: explain,
      })
      .pipe(tap((deleted) => deleted && this.toaster.say(`Version ${version} of ${name} was deleted`)));
  }
}

/** The same problem in words for people, when it is one of those that only a deletion can have. */
export function explain(problem: Problem): Problem {
  return { ...problem, ...KEPT[problem.code] };
}
