import { HttpErrorResponse } from '@angular/common/http';

/** One mistake in what was sent, and its place. */
export interface Fault {
  pointer?: string;
  line?: number;
  column?: number;
  message: string;
}

/** Why a request failed, in sentences: what happened and what to do. */
export interface Problem {
  /** The HTTP status. 0: no answer arrived; -1: the answer could not be read. */
  status: number;
  code: string;
  sentence: string;
  nextStep?: string;
  faults: Fault[];
  requestId?: string;
  /** Seconds the server asked to wait. */
  retryAfter?: number;
}

// The advice of the server for these is written for programs. People get these sentences instead.
const NEXT_STEPS: Record<number, string> = {
  0: 'Check that the server is running and that this device is online. The page tries again by itself.',
  401: 'Log in again.',
  403: 'Ask an administrator if you need this.',
  404: 'It may have been deleted. Go back and reload the list.',
  429: 'Wait a moment and try again.',
  500: 'Try again. If it fails again, give the request id to an administrator, who finds the cause in the log.',
  503: 'The server cannot do this right now. Try again in a moment.',
};

/** Reads the answer to a failed request: a problem document (RFC 9457), the older `{error}` shape, or no answer. */
export function toProblem(error: unknown): Problem {
  if (!(error instanceof HttpErrorResponse)) {
    return {
      status: -1,
      code: 'unexpected',
      sentence: 'The dashboard could not read the answer of the server.',
      nextStep: 'Reload the page and try again.',
      faults: [],
    };
  }
  const status = error.status;
  const body = readBody(error.error);
  const retryAfter = Number(error.headers.get('retry-after')) || undefined;
  const said = text(body['detail']) ?? text(body['error']) ?? text(body['title']);
  return {
    status,
    code: text(body['code']) ?? (status === 0 ? 'unreachable' : `http_${status}`),
    sentence: sentence(said ?? fallback(status)),
    nextStep: waiting(retryAfter) ?? NEXT_STEPS[status] ?? text(body['next_step']),
    faults: Array.isArray(body['errors']) ? body['errors'].filter(isFault) : [],
    requestId: text(body['request_id']),
    retryAfter,
  };
}

/** Whether the same request may succeed later without anybody changing anything. */
export function isPassing(problem: Problem): boolean {
  return problem.status === 0 || problem.status === 502 || problem.status === 503 || problem.status === 504;
}

function readBody(body: unknown): Record<string, unknown> {
  if (typeof body === 'string') {
    try {
      return readBody(JSON.parse(body));
    } catch {
      return {};
    }
  }
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
}

function fallback(status: number): string {
  if (status === 0) return 'The server does not answer.';
  if (status === 404) return 'This does not exist.';
  return `The server answered with status ${status}.`;
}

function waiting(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined;
  return seconds < 90
    ? `Try again in ${seconds} seconds.`
    : `Try again in ${Math.ceil(seconds / 60)} minutes.`;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

/** What the server said as a sentence: with a capital letter at its start, and a full stop at its end. */
export function sentence(said: string): string {
  const trimmed = said.trim();
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}

function isFault(value: unknown): value is Fault {
  return typeof value === 'object' && value !== null && typeof (value as Fault).message === 'string';
}
