import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { CheckResult, CheckSample } from '../core/api/models';
import { count, plural } from '../core/format';
import { CHECK_STATES, checkWord } from './check-words';

/** The results of a run's checks, with the first rows for which each of them does not hold. */
@Component({
  selector: 'app-checks',
  template: `
    <section class="card" aria-label="Checks">
      <header>
        <h2>Checks</h2>
        <span class="muted small">{{ summary() }}</span>
      </header>
      <div class="table-wrap" role="region" aria-label="Results of the checks" tabindex="0">
        <table class="table fold">
          <thead>
            <tr>
              <th scope="col">Check</th>
              <th scope="col">Result</th>
              <th scope="col" class="num">Rows</th>
              <th scope="col" class="wide">What is wrong</th>
            </tr>
          </thead>
          <tbody>
            @for (check of checks(); track check.name) {
              <tr>
                <th scope="row" class="check">{{ check.name }}</th>
                <td>
                  <span class="badge plain" [class]="tone(check)">{{ word(check) }}</span>
                </td>
                <td class="num" data-label="Rows">
                  {{ check.state === 'passed' ? '–' : count(check.rows ?? 0) }}
                </td>
                <td class="wide name">
                  {{ check.says || '–' }}
                  @if (check.samples?.length) {
                    <details>
                      <summary>{{ plural(check.samples!.length, 'sample row') }}</summary>
                      <ul class="dots">
                        @for (sample of check.samples; track $index) {
                          <li>
                            <b>{{ place(sample) }}</b> {{ values(sample) }}
                          </li>
                        }
                      </ul>
                    </details>
                  }
                </td>
              </tr>
            }
          </tbody>
        </table>
      </div>
    </section>
  `,
  styles: `
    .name,
    .check {
      overflow-wrap: anywhere;
    }
    .check {
      min-width: 18ch;
    }
    ul {
      margin: 6px 0 0;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Checks {
  readonly checks = input.required<CheckResult[]>();

  protected readonly summary = computed(() => {
    const checks = this.checks();
    const passed = checks.filter((check) => check.state === 'passed').length;
    return `${count(passed)} of ${count(checks.length)} passed`;
  });
  protected readonly count = count;
  protected readonly plural = plural;

  protected word(check: CheckResult): string {
    return checkWord(check.state ?? 'passed');
  }

  protected tone(check: CheckResult): string {
    return CHECK_STATES[check.state ?? 'passed']?.tone ?? '';
  }

  /** Where a row came from. */
  protected place({ file, line }: CheckSample): string {
    return file ? `${file}:${line ?? '?'}` : 'A row without a known place';
  }

  /** A row's values on one line. */
  protected values(sample: CheckSample): string {
    const values = sample.values ?? [];
    return values.map(({ column, value }) => `${column ?? ''}: ${value ?? 'NULL'}`).join(' · ');
  }
}
