/** Fewest characters of a password. */
export const SHORTEST = 8;
/** Most characters of a password. */
export const LONGEST = 256;
/** Fewest different characters: one with fewer is quickly guessed, however long it is. */
const FEWEST_DIFFERENT = 4;

/** One rule for new passwords, and whether a text follows it. */
export interface Hint {
  words: string;
  met: boolean;
}

/** The rules for new passwords that the browser can check. The server also refuses common passwords. */
export function hintsFor(password: string, repeated: string): Hint[] {
  const characters = Array.from(password);
  return [
    {
      words: `At least ${SHORTEST} characters`,
      met: characters.length >= SHORTEST && characters.length <= LONGEST,
    },
    {
      words: `At least ${FEWEST_DIFFERENT} different ones`,
      met: new Set(password.toLowerCase()).size >= FEWEST_DIFFERENT,
    },
    { words: 'The same in both fields', met: password !== '' && password === repeated },
  ];
}
