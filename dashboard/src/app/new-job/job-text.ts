import {
  DOCUMENT,
  DestroyRef,
  Injectable,
  computed,
  effect,
  inject,
  linkedSignal,
  signal,
} from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { Observable, catchError, debounceTime, map, of, startWith, switchMap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { FieldProblem, Validation } from '../core/api/models';
import { Draft } from '../core/draft';
import { Problem, toProblem } from '../core/problem';
import { Remark } from '../editor/yaml-editor';
import { cronWords } from '../schedules/cron-words';
import { Confirmation } from '../shared/confirm';

const TYPING_MS = 350;

/** The result of checking the text on the server, or why there is no result. */
export type Verdict = { validation: Validation } | { problem: Problem } | 'checking' | 'empty';

/** The YAML of a page that makes a job: what was typed, what the server says about it, and its draft. One for each page. */
@Injectable()
export class JobText {
  private readonly configs = inject(ConfigsApi);
  private readonly confirmation = inject(Confirmation);
  private readonly draft = inject(Draft);

  readonly yaml = signal('');
  /** The text as it was loaded from a template, a file or a version, or last uploaded. It can be loaded again from there. */
  readonly saved = signal('');
  readonly unsaved = computed(() => this.yaml().trim() !== '' && this.yaml() !== this.saved());
  /** Whether the text is a draft of an earlier visit. */
  readonly restored = signal(false);
  /** Id of the config version that the text is started from. */
  readonly from = signal<string | undefined>(undefined);
  /** The draft of an earlier visit. */
  readonly kept = this.draft.read();

  readonly verdict = toSignal(
    toObservable(this.yaml).pipe(
      debounceTime(TYPING_MS),
      switchMap((yaml) => this.check(yaml)),
    ),
    { initialValue: 'empty' as Verdict },
  );
  readonly validation = computed(() => {
    const verdict = this.verdict();
    return typeof verdict === 'object' && 'validation' in verdict ? verdict.validation : undefined;
  });
  readonly remarks = computed<Remark[]>(() => {
    const found = this.validation();
    if (found === undefined) return [];
    return [...found.problems.map(remark('error')), ...found.warnings.map(remark('warning'))];
  });
  /**
   * Whether a run can be made of the text. While a change is being checked, the answer before it holds, because a button that
   * is switched off for a moment loses a click. The server refuses what cannot run.
   */
  readonly runnable = linkedSignal<Verdict, boolean>({
    source: this.verdict,
    computation: (verdict, before) =>
      verdict === 'checking' ? (before?.value ?? false) : this.validation()?.runnable === true,
  }).asReadonly();
  /** What happens when the job is run now, in words. */
  readonly follows = computed(() => {
    const timing = this.validation()?.timing;
    if (!timing) return 'Runs immediately.';
    const again = [];
    if (timing.monitor) again.push('again whenever its sources change');
    if (timing.cron)
      again.push(`at the times of its schedule (${cronWords(timing.cron).replace(/\.$/, '')})`);
    return again.length === 0 ? 'Runs once, immediately.' : `Runs immediately, then ${again.join(' and ')}.`;
  });

  constructor() {
    if (this.kept !== undefined && this.kept.yaml.trim() !== '') {
      this.yaml.set(this.kept.yaml);
      this.restored.set(true);
    }
    effect(() => {
      if (this.unsaved()) this.draft.keep({ yaml: this.yaml(), from: this.from() });
      else if (this.yaml().trim() === '') this.draft.forget();
    });
    const leaving = (event: BeforeUnloadEvent): void => {
      if (this.unsaved()) event.preventDefault();
    };
    const window = inject(DOCUMENT).defaultView;
    window?.addEventListener('beforeunload', leaving);
    inject(DestroyRef).onDestroy(() => window?.removeEventListener('beforeunload', leaving));
  }

  /** Takes a text that can be loaded again from where it came. */
  take(text: string): void {
    this.saved.set(text);
    this.yaml.set(text);
    this.restored.set(false);
    this.draft.forget();
  }

  /** Does the same, but asks first when text that was not uploaded would be lost. */
  begin(text: string, what: string): void {
    if (!this.unsaved()) return this.take(text);
    this.confirmation
      .ask({
        title: 'Replace your text?',
        words: `The editor contains text that was not uploaded. It is lost when you start from ${what}.`,
        yes: 'Replace it',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.take(text);
      });
  }

  /** Asks, and then begins again with `first`. */
  discard(first: string): void {
    this.confirmation
      .ask({
        title: 'Discard the draft?',
        words: 'The page begins again. The text was not uploaded, so it cannot be restored.',
        yes: 'Discard it',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.take(first);
      });
  }

  /** Called once the server has stored the text as a version. */
  done(yaml: string): void {
    this.saved.set(yaml);
    this.restored.set(false);
    this.draft.forget();
  }

  private check(yaml: string): Observable<Verdict> {
    if (yaml.trim() === '') return of<Verdict>('empty');
    return this.configs.validate(yaml).pipe(
      map((validation): Verdict => ({ validation })),
      catchError((error: unknown) => of<Verdict>({ problem: toProblem(error) })),
      startWith<Verdict>('checking'),
    );
  }
}

function remark(severity: Remark['severity']): (problem: FieldProblem) => Remark {
  return ({ line, column, message, pointer }) => ({
    severity,
    message,
    pointer,
    line: line ?? undefined,
    column: column ?? undefined,
  });
}
