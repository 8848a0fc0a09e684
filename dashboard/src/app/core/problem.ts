import { HttpErrorResponse } from '@angular/common/http';

/** One thing that is wrong with what was sent, and where. */
export interface Fault {
  pointer?: string;
  line?: number;
  column?: number;
  message: string;
}

/** Why a request failed, in sentences: what happened and what to do. */
export interface Problem {
  /** 0: no answer at all. */
  status: number;
  code: string;
  sentence: string;
  nextStep?: string;
  faults: Fault[];
  requestId?: string;
  /** Seconds the server asked to wait. */
  retryAfter?: number;
}

// What the server advises for these is written for programs; people get these words.
const NEXT_STEPS: Record<number, string> = {
  0: 'Check that the server is running and that this device is online. The page tries again by itself.',
  401: 'Log in again.',
  403: 'Ask an administrator if you need this.',
  404: 'It may have been removed; go back and reload the list.',
  429: 'Wait a moment and try again.',
  500: 'Try again. If it stays, give the request id to whoever runs this server: their log has the cause.',
  503: 'The database is away. The page tries again by itself.',
};

/** Reads what a failed request says: RFC 9457, the older `{error}` shape, or nothing at all. */
export function toProblem(error: unknown): Problem {
  if (!(error instanceof HttpErrorResponse)) {
    return {
      status: -1,
      code: 'unexpected',
      sentence: 'The dashboard could not read the answer.',
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

/** Worth asking again by itself: nobody has to change anything first. */
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

function sentence(said: string): string {
  const trimmed = said.trim();
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}

function isFault(value: unknown): value is Fault {
  return typeof value === 'object' && value !== null && typeof (value as Fault).message === 'string';
}
