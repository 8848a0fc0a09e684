import { ChangeDetectionStrategy, Component, computed, inject, input, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';

import { SourceCursor } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { RunReport } from './report';

/** What a run read of incremental sources, and where the next run begins. The cursors are set and cleared here. */
@Component({
  selector: 'app-source-state',
  template: `
    <section class="card" aria-labelledby="source-state-title">
      <header>
        <h2 id="source-state-title">Only what is new</h2>
        <span class="spacer"></span>
        <button type="button" class="btn s" [attr.aria-expanded]="open()" (click)="open.set(!open())">
          <app-icon name="clock" /> {{ open() ? 'Hide' : 'Change' }} where the next run begins
        </button>
      </header>
      <ul class="sources">
        @for (source of report().incremental; track $index) {
          <li>
            <b>{{ source.source }}</b>
            <span>{{ source.says }}</span>
          </li>
        }
      </ul>
      @if (open()) {
        <div class="now">
          @if (submission.problem(); as problem) {
            <app-problem [problem]="problem" />
          }
          <app-query-state [query]="state" />
          @for (source of state.value()?.sources; track source.number) {
            <form class="one" (ngSubmit)="set(source)" novalidate autocomplete="off">
              <div class="field">
                <label [for]="'since-' + source.number">
                  Read {{ source.source }} up to <code>{{ source.cursor }}</code>
                </label>
                <input
                  class="input"
                  name="value"
                  [id]="'since-' + source.number"
                  [attr.aria-describedby]="'since-hint-' + source.number"
                  [ngModel]="wanted(source)"
                  (ngModelChange)="edit(source, $event)"
                />
                <span class="hint" [id]="'since-hint-' + source.number">
                  @if (source.since) {
                    The next run reads since {{ source.since }}.
                  } @else {
                    The next run reads everything.
                  }
                  @if (source.set_by) {
                    Set by {{ source.set_by }}, <app-time [at]="source.moved_at" />.
                  }
                </span>
              </div>
              <button type="submit" class="btn" [disabled]="submission.busy() || !isChanged(source)">
                Set
              </button>
              <button
                type="button"
                class="btn"
                [disabled]="submission.busy() || source.value === null"
                (click)="clear(source)"
              >
                Clear
              </button>
            </form>
          }
        </div>
      }
    </section>
  `,
  styles: `
    .sources {
      display: grid;
      gap: 10px;
      margin: 0;
      padding: 4px 16px 16px;
      list-style: none;
      overflow-wrap: anywhere;
    }
    .sources li {
      display: grid;
      gap: 2px;
    }
    .now {
      display: grid;
      gap: 14px;
      padding: 14px 16px 16px;
      border-top: 1px solid var(--border);
    }
    .one {
      display: flex;
      flex-wrap: wrap;
      gap: 8px;
      align-items: start;
    }
    .one .field {
      flex: 1 1 320px;
      min-width: 0;
      overflow-wrap: anywhere;
    }
    .one .btn {
      margin-top: 26px;
    }
  `,
  imports: [FormsModule, Icon, ProblemView, QueryState, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SourceState {
  private readonly api = inject(PipelinesApi);
  private readonly confirmation = inject(Confirmation);
  private readonly toaster = inject(Toaster);

  /** Name of the pipeline. */
  readonly pipeline = input.required<string>();
  readonly report = input.required<RunReport>();

  protected readonly open = signal(false);
  /** Values that were typed and not sent yet, by number of their source. */
  private readonly typed = signal<ReadonlyMap<number, string>>(new Map());
  private readonly asked = computed(() => (this.open() ? this.pipeline() : undefined));
  protected readonly state = query(
    () => this.asked(),
    (name) => this.api.state(name),
  );
  protected readonly submission = new Submission(() => this.pipeline());

  protected wanted(source: SourceCursor): string {
    return this.typed().get(source.number) ?? source.value ?? '';
  }

  protected edit(source: SourceCursor, value: string): void {
    this.typed.update((typed) => new Map(typed).set(source.number, value));
  }

  protected isChanged(source: SourceCursor): boolean {
    const wanted = this.wanted(source).trim();
    return wanted !== '' && wanted !== source.value;
  }

  protected set(source: SourceCursor): void {
    if (!this.isChanged(source)) return;
    const value = this.wanted(source).trim();
    this.submission.send(this.api.setState(this.pipeline(), source.number, value), () => {
      this.done(source);
      this.toaster.say(`The next run of ${this.pipeline()} begins at ${value}`);
    });
  }

  protected clear(source: SourceCursor): void {
    this.confirmation
      .ask({
        title: 'Read everything again?',
        words:
          `The next run of ${this.pipeline()} reads ${source.source} as its first run did. ` +
          'Rows that are in the table already are not loaded twice.',
        yes: 'Clear the cursor',
        request: () => this.api.clearState(this.pipeline(), source.number),
      })
      .subscribe((cleared) => {
        if (!cleared) return;
        this.done(source);
        this.toaster.say('The cursor is cleared');
      });
  }

  private done(source: SourceCursor): void {
    this.typed.update((typed) => {
      const left = new Map(typed);
      left.delete(source.number);
      return left;
    });
    this.state.reload();
  }
}
