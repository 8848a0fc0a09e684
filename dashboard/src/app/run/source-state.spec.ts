import { provideHttpClient } from '@angular/common/http';
import { HttpTestingController, provideHttpClientTesting } from '@angular/common/http/testing';
import { TestBed } from '@angular/core/testing';

import { readReport } from './report';
import { SourceState } from './source-state';

const SAYS = 'Read what changed since 2026-01-01. The next run reads since 2026-02-01.';

function rendered() {
  TestBed.configureTestingModule({
    imports: [SourceState],
    providers: [provideHttpClient(), provideHttpClientTesting()],
  });
  const fixture = TestBed.createComponent(SourceState);
  fixture.componentRef.setInput('pipeline', 'orders');
  fixture.componentRef.setInput(
    'report',
    readReport({ incremental: [{ source: 'api https://h/orders', cursor: 'at', says: SAYS }] }),
  );
  fixture.detectChanges();
  const element = fixture.nativeElement as HTMLElement;
  const button = (words: string) => {
    const buttons = [...element.querySelectorAll('button')];
    const found = buttons.find((one) => one.textContent.includes(words));
    if (!found) throw new Error(`there is no button ${words}`);
    return found;
  };
  return { fixture, element, button, http: TestBed.inject(HttpTestingController) };
}

const STATE = {
  table: 'public.orders',
  sources: [
    {
      number: 1,
      source: 'api https://h/orders',
      cursor: 'at',
      value: '2026-02-01',
      since: '2026-02-01',
      moved_at: '2026-02-01T00:00:00Z',
      run_id: null,
      set_by: null,
    },
  ],
};

describe('SourceState', () => {
  it('says what was read, and asks for the cursors only when they are to be changed', () => {
    const { fixture, element, button, http } = rendered();
    expect(element.textContent).toContain(SAYS);
    http.expectNone('/pipelines/orders/state');
    button('where the next run begins').click();
    fixture.detectChanges();
    http.expectOne('/pipelines/orders/state').flush(STATE);
    fixture.detectChanges();
    expect(element.textContent).toContain('The next run reads since 2026-02-01.');
  });

  it('sends a value that was changed', async () => {
    const { fixture, element, button, http } = rendered();
    button('where the next run begins').click();
    fixture.detectChanges();
    http.expectOne('/pipelines/orders/state').flush(STATE);
    await fixture.whenStable();
    fixture.detectChanges();
    expect(button('Set').disabled).toBe(true);
    const input = element.querySelector<HTMLInputElement>('input');
    if (!input) throw new Error('there is no input');
    input.value = '2026-01-15';
    input.dispatchEvent(new Event('input'));
    fixture.detectChanges();
    expect(button('Set').disabled).toBe(false);
    button('Set').click();
    const request = http.expectOne('/pipelines/orders/state');
    expect([request.request.method, request.request.body]).toEqual([
      'PUT',
      { source: 1, value: '2026-01-15' },
    ]);
  });
});
