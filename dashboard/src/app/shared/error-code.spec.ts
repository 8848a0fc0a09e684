import { TestBed } from '@angular/core/testing';

import { ErrorCode } from './error-code';

function shown(code: string | undefined): HTMLElement {
  const fixture = TestBed.createComponent(ErrorCode);
  fixture.componentRef.setInput('code', code);
  fixture.detectChanges();
  return fixture.nativeElement as HTMLElement;
}

describe('the code of an error', () => {
  it('leads to its explanation', () => {
    expect(shown('target_locked').textContent).toMatch(/Code\s+target_locked/);
    expect(shown('target_locked').querySelector('a')?.getAttribute('href')).toBe(
      '/ui/help/errors#target_locked',
    );
  });

  it('is hidden when the help would not know it', () => {
    for (const own of [undefined, '', 'http_502', 'unreachable', 'unexpected']) {
      expect(shown(own).textContent.trim()).toBe('');
    }
  });
});
