//! Number formats: whether a number is shown as a number, a date, a time, or a duration.

/// The way in which a cell's number format shows numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shown {
    /// As a number, also as a percentage or an amount of money.
    #[default]
    Number,
    /// As a day.
    Date,
    /// As a day and the time of the day.
    DateTime,
    /// As the time of a day.
    Time,
    /// As a duration such as `36:00:00`.
    Duration,
}

/// What a format with a number of its own shows, which is not written in the file.
pub(super) fn built_in(id: u32) -> Shown {
    match id {
        // 27 to 36 and 50 to 58 are dates of East Asian languages, some of them with times.
        14..=17 | 27..=31 | 36 | 50..=54 | 57 | 58 => Shown::Date,
        18..=21 | 32..=35 | 45 | 47 | 55 | 56 => Shown::Time,
        22 => Shown::DateTime,
        46 => Shown::Duration,
        _ => Shown::Number,
    }
}

/// What a format that is written in the file shows: `dd.mm.yyyy`, `[h]:mm`, `#,##0.00 "m²"`. Its first section decides.
pub(super) fn custom(code: &str) -> Shown {
    let mut letters = Letters::default();
    let has_general = code.to_ascii_lowercase().contains("general");
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ';' => break,
            '"' => while characters.next().is_some_and(|character| character != '"') {},
            // The next character is shown as it is, is as wide as a space, or fills the cell.
            '\\' | '_' | '*' => drop(characters.next()),
            '[' => {
                let inside: String = characters.by_ref().take_while(|&character| character != ']').collect();
                let is_elapsed = !inside.is_empty()
                    && ["h", "m", "s"]
                        .iter()
                        .any(|unit| inside.to_ascii_lowercase().trim_start_matches(unit).is_empty());
                if is_elapsed {
                    return Shown::Duration;
                }
            }
            // `General`, and `E+` of scientific notation, have letters of dates.
            'G' | 'g' if letters.run.is_empty() && has_general => return Shown::Number,
            'E' | 'e' if matches!(characters.peek(), Some('+' | '-')) => {}
            'A' | 'a' if is_am_pm(&mut characters) => letters.time = true,
            letter => letters.add(letter.to_ascii_lowercase()),
        }
    }
    letters.shown()
}

/// Passes over the rest of `AM/PM` or `A/P`.
fn is_am_pm(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let rest: String = characters.clone().take(4).collect::<String>().to_ascii_lowercase();
    let length = if rest.starts_with("m/pm") {
        4
    } else if rest.starts_with("/p") {
        2
    } else {
        return false;
    };
    characters.nth(length - 1);
    true
}

/// The letters of a format that stand for parts of a date or time.
#[derive(Default)]
struct Letters {
    /// The letters `m` that stand together.
    run: String,
    date: bool,
    time: bool,
    /// One or two `m`, which are minutes beside hours or seconds, and otherwise a month.
    month_or_minute: bool,
}

impl Letters {
    fn add(&mut self, letter: char) {
        if letter == 'm' {
            self.run.push('m');
            self.month_or_minute = true;
            // `mmm` is always the name of a month.
            self.date |= self.run.len() > 2;
            return;
        }
        self.run.clear();
        match letter {
            'y' | 'd' | 'e' | 'b' => self.date = true,
            'h' | 's' => self.time = true,
            _ => {}
        }
    }

    fn shown(&self) -> Shown {
        match (self.date || (self.month_or_minute && !self.time), self.time) {
            (true, true) => Shown::DateTime,
            (true, false) => Shown::Date,
            (false, true) => Shown::Time,
            (false, false) => Shown::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_recognised_by_its_first_section() {
        for (shown, codes) in [
            (
                Shown::Number,
                &[
                    "General",
                    "general;-General",
                    "0",
                    "#,##0.00",
                    "0.00E+00",
                    "##0.0E-0",
                    "0%",
                    "@",
                    "#,##0\\ [$\u{20bd}-46D]",
                    "\"$\"#,##0_);[Red](\"$\"#,##0)",
                    "\"Y: \"0.00\"m\";\"Y: \"-0.00\"m\"",
                    "\\Y000000",
                    "#,##0.0####\" YMD\"",
                    "[>=100][Magenta].00",
                    "#,##0.00\\ _M\"H\"_);[Red]#,##0.00\\ _M\"S\"_)",
                    "#,##0*y",
                    "[$-409]#,##0.00",
                    "[Red]0;yyyy",
                    "# ??/??",
                ][..],
            ),
            (
                Shown::Date,
                &[
                    "dd.mm.yyyy",
                    "DD/MM/YY",
                    "[$-407]d. mmmm yyyy;@",
                    "mmm-yy",
                    "m\"M\"d\"D\";@",
                    "mm",
                    "*-yyyy-mm-dd",
                    "[$-411]ggge\"x\"m\"x\"d",
                ],
            ),
            (Shown::DateTime, &["yyyy-mm-dd hh:mm", "m/d/yy h:mm AM/PM", "dd/mm/yyyy\\ hh:mm:ss.000", "mmm h"]),
            (Shown::Time, &["h:mm", "H:MM:SS;@", "mm:ss.0", "h:mm AM/PM", "ha/p", "[$-F400]h:mm:ss"]),
            (Shown::Duration, &["[h]:mm", "[hh]:mm:ss", "[mm]:ss", "[s].00", "[Blue]\\+[h]:mm;[Red]\\-[h]:mm"]),
        ] {
            for code in codes {
                assert_eq!(custom(code), shown, "{code}");
            }
        }
    }
}
