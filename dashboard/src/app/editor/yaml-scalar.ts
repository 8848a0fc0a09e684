/** Texts that YAML, in one version or another, reads as something else than a text. */
const OTHER_MEANING = /^(?:true|false|yes|no|on|off|y|n|null|~)$/i;
const PLAIN = /^(?:\$\{[\w:.-]+\}|(?:[\p{L}_/]|\.{1,2}\/)[\p{L}\p{M}\p{N} _./:?=&%+@~*-]*)$/u;
const PLAIN_IN_BRACES = /^[\p{L}_][\p{L}\p{M}\p{N} _.-]*$/u;
/** Characters that JSON writes as they are, and that YAML takes for line ends or refuses. */
const NOT_IN_YAML = /[\u007f-\u009f\u2028\u2029\ufeff]/g;

/**
 * A text as YAML on one line, in quotes where it would be read as something else without them: a number, `true`,
 * `a: b`. `inBraces`: it stands in `{…}`, in `[…]` or in front of a colon, where more needs quotes.
 */
export function scalarText(value: string, inBraces = false): string {
  const plain = inBraces ? PLAIN_IN_BRACES : PLAIN;
  if (plain.test(value) && !OTHER_MEANING.test(value) && !/: |[: ]$/.test(value)) return value;
  return JSON.stringify(value).replace(
    NOT_IN_YAML,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const ESCAPES: Record<string, string> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  N: '\u0085',
  _: '\u00a0',
  L: '\u2028',
  P: '\u2029',
};

/** The text that a scalar means, from how it is written: with or without quotes. */
export function scalarValue(written: string): string {
  const folded = written.replace(/[ \t]*\r?\n\s*/g, ' ');
  if (folded.startsWith("'")) return folded.slice(1, -1).replaceAll("''", "'");
  if (!folded.startsWith('"')) return folded;
  return folded
    .slice(1, -1)
    .replace(
      /\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|(.))/gi,
      (_, two?: string, four?: string, eight?: string, one?: string) =>
        one === undefined
          ? String.fromCodePoint(Math.min(parseInt(two ?? four ?? eight ?? '0', 16), 0x10ffff))
          : (ESCAPES[one] ?? one),
    );
}
