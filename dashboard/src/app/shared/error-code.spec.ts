import { TestBed } from '@angular/core/testing';

import { ErrorCode } from './error-code';

function shown(code: string | undefined): string {
  const fixture = TestBed.createComponent(ErrorCode);
  fixture.componentRef.setInput('code', code);
  fixture.detectChanges();
  return (fixture.nativeElement as HTMLElement).textContent.trim();
}

describe('the code of an error', () => {
  it('names the command that explains it', () => {
    expect(shown('target_locked')).toMatch(/Code target_locked.*elt explain target_locked/);
  });

  it('is hidden when the command would not know it', () => {
    for (const own of [undefined, '', 'http_502', 'unreachable', 'unexpected']) {
      expect(shown(own)).toBe('');
    }
  });
});
