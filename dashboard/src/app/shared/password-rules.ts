/** Fewest characters of a password. */
const SHORTEST = 8;
/** Most characters of a password. */
const LONGEST = 256;
/** Fewest different characters. A password with fewer is guessed quickly, however long it is. */
const FEWEST_DIFFERENT = 4;

/** One rule for new passwords, and whether a text follows it. */
export interface Rule {
  words: string;
  met: boolean;
}

/**
 * The rules for new passwords that the browser can check; the server also refuses common passwords. `repeated` is the
 * text of the second field, `undefined` where there is only one.
 */
export function rulesFor(password: string, repeated?: string): Rule[] {
  const characters = Array.from(password);
  const rules = [
    {
      words: `At least ${SHORTEST} characters`,
      met: characters.length >= SHORTEST && characters.length <= LONGEST,
    },
    {
      words: `At least ${FEWEST_DIFFERENT} different characters`,
      met: new Set(password.toLowerCase()).size >= FEWEST_DIFFERENT,
    },
  ];
  if (repeated === undefined) return rules;
  return [...rules, { words: 'The same in both fields', met: password !== '' && password === repeated }];
}

/** Whether a password follows all rules that the browser can check. */
export function isAcceptable(password: string, repeated?: string): boolean {
  return rulesFor(password, repeated).every((rule) => rule.met);
}
