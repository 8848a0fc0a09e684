//! Days since 1970-01-01 as a date of the Gregorian calendar.
//!
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`,
//! <https://howardhinnant.github.io/date_algorithms.html>. It counts in eras of 400 years that begin in March, so that the day
//! that a leap year adds is the last of its year.

/// Year, month and day. The year 0 is the one before the year 1.
#[inline]
pub fn of_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_chrono() {
        for days in (-719_162..2_932_897).step_by(7) {
            let date = chrono::DateTime::from_timestamp(days * 86_400, 0).expect("a date").date_naive();
            let of = |format: &str| date.format(format).to_string().parse::<i64>().expect("a number");
            assert_eq!(of_days(days), (of("%Y"), of("%m"), of("%d")), "{days}");
        }
    }
}
