import {
  ChangeDetectionStrategy,
  Component,
  computed,
  input,
  linkedSignal,
  output,
  signal,
} from '@angular/core';
import { FormsModule } from '@angular/forms';

import { Condition, Operator } from '../core/api/data';
import { Icon } from '../shared/icon';

const WORDS: Record<Operator, string> = {
  eq: 'is',
  ne: 'is not',
  contains: 'contains',
  lt: 'is less than',
  le: 'is at most',
  gt: 'is more than',
  ge: 'is at least',
  null: 'is NULL',
  not_null: 'is not NULL',
};

/** `amount is at least 10`. */
export function conditionWords(condition: Condition): string {
  const words = `${condition.column} ${WORDS[condition.operator]}`;
  return needsValue(condition.operator)
    ? `${words} ${condition.value === '' ? '(empty)' : condition.value}`
    : words;
}

function needsValue(operator: Operator): boolean {
  return operator !== 'null' && operator !== 'not_null';
}

/** A form for one condition on the rows: column, comparison and value. */
@Component({
  selector: 'app-filter-form',
  template: `
    <form (ngSubmit)="add()">
      <select
        class="select"
        name="column"
        aria-label="Column"
        [ngModel]="column()"
        (ngModelChange)="column.set($event)"
      >
        @for (name of columns(); track name) {
          <option [value]="name">{{ name }}</option>
        }
      </select>
      <select
        class="select"
        name="operator"
        aria-label="Comparison"
        [ngModel]="operator()"
        (ngModelChange)="operator.set($event)"
      >
        @for (one of operators; track one[0]) {
          <option [value]="one[0]">{{ one[1] }}</option>
        }
      </select>
      @if (takesValue()) {
        <input
          class="input"
          name="value"
          data-search
          placeholder="Value"
          aria-label="Value"
          [ngModel]="value()"
          (ngModelChange)="value.set($event)"
        />
      }
      <button type="submit" class="btn"><app-icon name="filter" /> Filter</button>
    </form>
  `,
  styles: `
    form {
      display: flex;
      flex-wrap: wrap;
      gap: 8px;
    }
    .input {
      flex: 1 1 120px;
      width: auto;
      max-width: 240px;
    }
    .select {
      max-width: 180px;
    }
  `,
  imports: [FormsModule, Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class FilterForm {
  readonly columns = input.required<readonly string[]>();
  readonly added = output<Condition>();

  protected readonly operators = Object.entries(WORDS) as [Operator, string][];
  protected readonly column = linkedSignal<readonly string[], string>({
    source: this.columns,
    computation: (columns, before) =>
      before !== undefined && columns.includes(before.value) ? before.value : (columns[0] ?? ''),
  });
  protected readonly operator = signal<Operator>('contains');
  protected readonly value = signal('');
  protected readonly takesValue = computed(() => needsValue(this.operator()));

  protected add(): void {
    if (this.column() === '') return;
    this.added.emit({
      column: this.column(),
      operator: this.operator(),
      value: this.takesValue() ? this.value() : '',
    });
    this.value.set('');
  }
}
