import { Signal, signal } from '@angular/core';
import { TestBed } from '@angular/core/testing';

import { settled } from './settled';

describe('settled', () => {
  const text = signal('');

  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function watch(start: string): Signal<string> {
    text.set(start);
    const seen = TestBed.runInInjectionContext(() => settled(text));
    TestBed.tick();
    return seen;
  }

  function type(typed: string, ms: number): void {
    text.set(typed);
    TestBed.tick();
    vi.advanceTimersByTime(ms);
  }

  it('follows the text once the typing pauses', () => {
    const seen = watch('');
    type('o', 200);
    type('or', 200);
    expect(seen()).toBe('');
    type('ord', 250);
    expect(seen()).toBe('ord');
  });

  it('starts with the text that is there, and leaves out spaces around it', () => {
    const seen = watch(' people');
    expect(seen()).toBe('people');
    type('  ', 250);
    expect(seen()).toBe('');
  });
});
