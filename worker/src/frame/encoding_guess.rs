//! Guesses the encoding of text without a byte order mark, from a part of it. A guess is a proposal: the report says which
//! encoding was taken and why, and how to write it in the config.
//!
//! UTF-8 proves itself, and UTF-16 shows by its NUL bytes. Other encodings are told apart by the letters that their bytes
//! would be: in a text of a Latin alphabet single letters are among ASCII letters, in Cyrillic and Greek whole words are not
//! ASCII, and in Japanese and Korean the bytes come in pairs. Where this is not clear, no encoding is guessed.

use std::collections::BTreeSet;

use encoding_rs::{
    DecoderResult, EUC_JP, EUC_KR, Encoding, ISO_8859_2, KOI8_R, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1250,
    WINDOWS_1251, WINDOWS_1252, WINDOWS_1253,
};

/// Number of characters that are shown.
const SHOWN_CHARACTERS: usize = 6;

/// The encoding that fits the bytes best, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    pub encoding: &'static Encoding,
    /// A sentence for the report. `None`: the guess is certain.
    pub warning: Option<String>,
}

/// UTF-16 without a byte order mark, by the NUL bytes of its ASCII characters. `start`: the first bytes of the file.
pub(super) fn utf_16(start: &[u8]) -> Option<Guess> {
    let pairs = start.as_chunks::<2>().0;
    let (high_first, low_first) = (
        pairs.iter().filter(|pair| pair[0] == 0 && pair[1] != 0).count(),
        pairs.iter().filter(|pair| pair[0] != 0 && pair[1] == 0).count(),
    );
    let clear = |count: usize, other: usize| pairs.len() >= 2 && count * 2 > pairs.len() && other * 20 < count;
    let (encoding, label) = if clear(low_first, high_first) {
        (UTF_16LE, "utf-16le")
    } else if clear(high_first, low_first) {
        (UTF_16BE, "utf-16be")
    } else {
        return None;
    };
    let warning = format!(
        "it is read as {label}, because most of its characters have a NUL byte; write `csv: {{encoding: {label}}}` if that \
         is right"
    );
    Some(Guess { encoding, warning: Some(warning) })
}

/// The encoding of a text of which `sample` is a part that begins with its first byte that is not ASCII. `ended`: whether
/// the file ends with it.
pub(super) fn guess(sample: &[u8], ended: bool) -> Guess {
    let (valid, invalid) = utf_8_sequences(sample, ended);
    if invalid == 0 {
        return Guess { encoding: UTF_8, warning: None };
    }
    if valid > invalid {
        let warning = "it is read as UTF-8, although some of its bytes are not; rows with such bytes are rejected";
        return Guess { encoding: UTF_8, warning: Some(warning.into()) };
    }
    let Some(encoding) = japanese_or_korean(sample, ended).or_else(|| single_byte(sample)) else {
        let warning = "it is not UTF-8, and its encoding could not be guessed: write it in the source, `csv: {encoding: \
                       windows-1252}` for example; rows with such bytes are rejected";
        return Guess { encoding: UTF_8, warning: Some(warning.into()) };
    };
    let label = encoding.name().to_ascii_lowercase();
    let warning = format!(
        "it is not UTF-8 and is read as {label}, which is a guess; it has characters such as {}. Write `csv: {{encoding: \
         {label}}}` in the source if that is right, or the right encoding",
        characters(sample, encoding)
    );
    Guess { encoding, warning: Some(warning) }
}

/// Number of characters beyond ASCII that are valid UTF-8, and of sequences of bytes that are not.
fn utf_8_sequences(sample: &[u8], ended: bool) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    let mut chunks = sample.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        // The last character may be cut off where the sample ends.
        let is_cut = !ended
            && chunks.peek().is_none()
            && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        invalid += usize::from(!chunk.invalid().is_empty() && !is_cut);
    }
    (valid, invalid)
}

fn japanese_or_korean(sample: &[u8], ended: bool) -> Option<&'static Encoding> {
    let is_kana = |c: char| ('\u{3041}'..='\u{30FF}').contains(&c);
    let is_hangul = |c: char| ('\u{AC00}'..='\u{D7A3}').contains(&c);
    // A letter alone among ASCII letters could be one of an old encoding of a Latin alphabet, so that only those in a row count.
    let share = |encoding: &'static Encoding, is_own: fn(char) -> bool| {
        let mut text = String::with_capacity(3 * sample.len());
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let (result, ..) = decoder.decode_to_string_without_replacement(sample, &mut text, ended);
        if matches!(result, DecoderResult::Malformed(..)) {
            return 0.0;
        }
        let (mut own, mut in_row, mut all, mut before) = (0_u32, 0_u32, 0_u32, '\n');
        for c in text.chars() {
            all += u32::from(!c.is_ascii());
            own += u32::from(is_own(c));
            in_row += u32::from(is_own(c) && !before.is_ascii());
            before = c;
        }
        if in_row * 2 < own { 0.0 } else { f64::from(own) / f64::from(all.max(1)) }
    };
    [(SHIFT_JIS, is_kana as fn(char) -> bool, 0.3), (EUC_JP, is_kana, 0.3), (EUC_KR, is_hangul, 0.95)]
        .into_iter()
        .find_map(|(encoding, is_own, least)| (share(encoding, is_own) >= least).then_some(encoding))
}

/// The encoding of a text whose bytes are characters, by the runs of bytes that are not ASCII.
fn single_byte(sample: &[u8]) -> Option<&'static Encoding> {
    let letters = |byte: &u8| byte.is_ascii_alphabetic();
    let (mut runs, mut among_ascii, mut bytes) = (0, 0, 0);
    let mut at = 0;
    while at < sample.len() {
        let length = sample[at..].iter().take_while(|byte| !byte.is_ascii()).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let beside = (at > 0 && letters(&sample[at - 1])) || sample.get(at + length).is_some_and(letters);
        (runs, among_ascii, bytes) = (runs + 1, among_ascii + usize::from(beside && length <= 2), bytes + length);
        at += length;
    }
    // At the beginning of the sample the letter before its first byte is missing.
    if (among_ascii + 1) * 2 >= runs && bytes < runs * 3 { latin(sample) } else { cyrillic_or_greek(sample) }
}

/// Bytes that are letters of a word in these encodings, and signs in windows-1252.
const LETTERS_OF_1250: [u8; 12] = [0xA3, 0xA5, 0xAF, 0xB3, 0xB9, 0xBC, 0xBE, 0xBF, 0x8D, 0x8F, 0x9C, 0x9F];
const LETTERS_OF_8859_2: [u8; 6] = [0xA1, 0xA6, 0xAC, 0xB1, 0xB6, 0xB5];

/// Bytes that are signs in windows-1252 and are not usual within words.
const SIGNS_OF_1252: [u8; 21] = [
    0x80, 0x85, 0x89, 0x8B, 0x94, 0x95, 0x96, 0x97, 0x99, 0x9B, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA9, 0xAE,
    0xBB, 0xBF,
];
/// Bytes that are quotation marks and daggers in windows-1252, which are not usual behind a letter.
const OPENING_SIGNS: [u8; 6] = [0x82, 0x84, 0x86, 0x87, 0x91, 0x93];

fn latin(sample: &[u8]) -> Option<&'static Encoding> {
    let count = |counts: &dyn Fn(u8) -> bool| sample.iter().filter(|&&byte| counts(byte)).count();
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0xC0;
    let within = |all: &[u8]| {
        sample.windows(3).filter(|of| all.contains(&of[1]) && is_letter(of[0]) && is_letter(of[2])).count()
    };
    let high = count(&|byte| byte >= 0x80);
    let unused = count(&|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D));
    let (of_1250, of_8859_2) = (within(&LETTERS_OF_1250), within(&LETTERS_OF_8859_2));
    if of_1250 * 20 >= high && of_1250 >= 2 && of_1250 >= of_8859_2 {
        Some(WINDOWS_1250)
    } else if of_8859_2 * 20 >= high && of_8859_2 >= 2 {
        Some(ISO_8859_2)
    } else {
        // In text of DOS and of old Macintoshes most letters are where windows-1252 has signs, nothing, or rare letters.
        let rare = count(&|byte| matches!(byte, 0x83 | 0x88 | 0x8A | 0x8C | 0x8E | 0x98 | 0x9A | 0x9C | 0x9E | 0x9F));
        let letters = count(&|byte| byte >= 0xC0);
        let closed_in = within(&SIGNS_OF_1252);
        let opening = sample.windows(2).filter(|of| OPENING_SIGNS.contains(&of[1]) && is_letter(of[0])).count();
        (unused == 0 && rare <= letters && (closed_in + opening) * 4 <= high).then_some(WINDOWS_1252)
    }
}

/// Russian and Greek, by their most frequent letters.
fn cyrillic_or_greek(sample: &[u8]) -> Option<&'static Encoding> {
    let high = sample.iter().filter(|byte| !byte.is_ascii()).count();
    let score = |letters: &[u8]| sample.iter().filter(|byte| letters.contains(byte)).count();
    let mut scores = [
        (score(&[0xE0, 0xE5, 0xE8, 0xEE, 0xED, 0xF2, 0xC0, 0xC8, 0xCD, 0xD2]), WINDOWS_1251),
        (score(&[0xC1, 0xC5, 0xC9, 0xCF, 0xCE, 0xD4, 0xF4, 0xE9]), KOI8_R),
        (score(&[0xE1, 0xE9, 0xEF, 0xF4, 0xF3, 0xE5, 0xDC, 0xDF, 0xFC]), WINDOWS_1253),
    ];
    scores.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let [(first, encoding), (second, _), _] = scores;
    let letters = sample.iter().filter(|&&byte| byte >= 0xC0 || matches!(byte, 0xA8 | 0xB8 | 0xB3 | 0xA3)).count();
    let is_clear = first * 4 >= second * 5 && first * 10 >= high * 3 && letters * 10 >= high * 8;
    is_clear.then_some(encoding)
}

/// The first different characters of a text beyond ASCII.
fn characters(sample: &[u8], encoding: &'static Encoding) -> String {
    let (text, _) = encoding.decode_without_bom_handling(sample);
    let mut seen = BTreeSet::new();
    let different = text.chars().filter(|c| !c.is_ascii() && c.is_alphanumeric() && seen.insert(*c));
    let shown: Vec<_> = different.take(SHOWN_CHARACTERS).map(String::from).collect();
    if shown.is_empty() { "signs only".into() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guess for a text in an encoding, from its first byte that is not ASCII on.
    fn guessed(text: &str, encoding: &'static Encoding) -> Option<&'static str> {
        let (bytes, _, unmapped) = encoding.encode(text);
        assert!(!unmapped, "{text}");
        let first = bytes.iter().position(|byte| !byte.is_ascii()).expect("a byte beyond ASCII");
        let guess = guess(&bytes[first..], true);
        assert_eq!(guess.warning.is_none(), guess.encoding == UTF_8 && encoding == UTF_8, "{guess:?}");
        (guess.encoding == encoding).then(|| encoding.name())
    }

    #[test]
    fn common_encodings_are_recognised() {
        for (text, encoding) in [
            ("id;name\n1;Müller\n2;Größe\n3;Jürgen Weiß\n", UTF_8),
            ("id;name\n1;Müller\n2;Größe\n3;Jürgen Weiß\n", WINDOWS_1252),
            ("id;name\n1;Zoë\n", WINDOWS_1252),
            ("1;„Größe“ … 5 ‰\n", WINDOWS_1252),
            ("id;név\n1;Peña\n2;François – “déjà vu”\n3;12 €\n4;1º\n", WINDOWS_1252),
            ("id;miasto\n1;Łódź\n2;Wrocław\n3;Białystok\n4;Gdańsk\n5;Więcbork\n", WINDOWS_1250),
            ("id;miasto\n1;Łódź\n2;Bąków\n3;Wąsosz\n4;Śląsk\n5;Więcbork\n", ISO_8859_2),
            ("id;город\n1;Москва\n2;Санкт-Петербург\n3;Нижний Новгород\n", WINDOWS_1251),
            ("id;город\n1;Москва\n2;Санкт-Петербург\n3;Нижний Новгород\n", KOI8_R),
            ("id;πόλη\n1;Αθήνα\n2;Θεσσαλονίκη\n3;Πάτρα και τα νησιά\n", WINDOWS_1253),
            ("id,名前\n1,たなか\n2,スズキ\n", SHIFT_JIS),
            ("id,名前\n1,たなか\n2,スズキ\n", EUC_JP),
            ("id,이름\n1,김철수\n2,서울\n", EUC_KR),
        ] {
            assert_eq!(guessed(text, encoding), Some(encoding.name()), "{text}");
        }
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        // "Müller" and "Größe" as DOS and the old Macintosh wrote them, and Chinese.
        for bytes in [
            &b"\x81ller\nGr\x94\xE1e\n"[..],
            b"\x9Fller\nGr\x9A\xA7e\n",
            b"\xD6\xD0\xB9\xFA\n\xB1\xB1\xBE\xA9\n",
            b"ch\x83teau\n",
            b"\x83ge\n",
        ] {
            let guess = guess(bytes, true);
            assert_eq!(guess.encoding, UTF_8, "{bytes:?}");
            assert!(guess.warning.is_some_and(|warning| warning.contains("could not be guessed")), "{bytes:?}");
        }
    }

    #[test]
    fn broken_utf_8_is_utf_8_still() {
        let found = guess("Müller, Größe, \u{E9}t\u{E9}".as_bytes(), true);
        assert_eq!((found.encoding, found.warning), (UTF_8, None));
        let found = guess(&["üöä".as_bytes(), &b"\xFC,"[..]].concat(), true);
        assert!(found.encoding == UTF_8 && found.warning.is_some());
        assert_eq!(guess(&"üö".as_bytes()[..3], false), Guess { encoding: UTF_8, warning: None }, "cut off");
        assert_ne!(guess(&"üö".as_bytes()[..1], true).encoding.name(), "", "an end within a character");
    }

    #[test]
    fn utf_16_shows_by_its_nul_bytes() {
        let bytes = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
        for text in ["id,name\n1,Müller\n", "id;stad\n1;Łódź\n2;a\n"] {
            assert_eq!(utf_16(&bytes(text, u16::to_le_bytes)).map(|guess| guess.encoding), Some(UTF_16LE));
            assert_eq!(utf_16(&bytes(text, u16::to_be_bytes)).map(|guess| guess.encoding), Some(UTF_16BE));
        }
        assert_eq!(utf_16(b"id,name\n1,\0\n"), None);
        assert_eq!(utf_16(b""), None);
    }
}
