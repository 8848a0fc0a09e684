import { ChangeDetectionStrategy, Component, computed, input, output } from '@angular/core';

import { Remark } from '../editor/yaml-editor';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import type { Verdict } from './job-text';

/** What the server found in a YAML, with the places of the problems. */
@Component({
  selector: 'app-check-result',
  template: `
    <section class="card" aria-label="Check">
      <header>
        <h2>Check</h2>
        <span class="spacer"></span>
        <span role="status">
          @switch (mood()) {
            @case ('empty') {
              <span class="badge plain">Waiting for a YAML</span>
            }
            @case ('checking') {
              <span class="badge plain">Checking…</span>
            }
            @case ('runnable') {
              <span class="badge good"><app-icon name="success" /> Runnable</span>
            }
            @case ('valid') {
              <span class="badge warn"><app-icon name="alert" /> Not runnable yet</span>
            }
            @case ('invalid') {
              <span class="badge bad"><app-icon name="error" /> Not a config</span>
            }
          }
        </span>
      </header>
      <div class="body">
        @if (problem(); as problem) {
          <app-problem [problem]="problem" />
        }
        @if (validation()?.name; as name) {
          <p>
            Pipeline <b>{{ name }}</b>
          </p>
        }
        @if (mood() === 'empty') {
          <p class="muted">
            The server checks the text while you type. It is stored only when you run, schedule, test or save
            it.
          </p>
        }
        @if (remarks().length > 0) {
          <ul>
            @for (remark of remarks(); track $index) {
              <li [class]="remark.severity">
                <app-icon [name]="remark.severity === 'error' ? 'error' : 'alert'" />
                <div>
                  @if (remark.line) {
                    <button type="button" class="link small" (click)="place.emit(remark)">
                      Line {{ remark.line }}
                    </button>
                  }
                  <p>{{ remark.message }}</p>
                </div>
              </li>
            }
          </ul>
        }
      </div>
    </section>
  `,
  styles: `
    ul {
      display: grid;
      gap: 8px;
    }
    p + ul,
    app-problem + ul {
      margin-top: 10px;
    }
    li {
      display: flex;
      gap: 8px;
    }
    li app-icon {
      margin-top: 3px;
    }
    li p {
      overflow-wrap: anywhere;
    }
    .error app-icon {
      color: var(--bad);
    }
    .warning app-icon {
      color: var(--warn);
    }
  `,
  imports: [Icon, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CheckResult {
  readonly verdict = input.required<Verdict>();
  readonly remarks = input.required<readonly Remark[]>();
  readonly place = output<Remark>();

  protected readonly validation = computed(() => {
    const verdict = this.verdict();
    return typeof verdict === 'object' && 'validation' in verdict ? verdict.validation : undefined;
  });
  protected readonly problem = computed(() => {
    const verdict = this.verdict();
    return typeof verdict === 'object' && 'problem' in verdict ? verdict.problem : undefined;
  });
  protected readonly mood = computed(() => {
    const verdict = this.verdict();
    if (typeof verdict === 'string') return verdict;
    const found = this.validation();
    if (found === undefined) return 'none';
    if (!found.valid) return 'invalid';
    return found.runnable ? 'runnable' : 'valid';
  });
}
