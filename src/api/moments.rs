//! Points in time, as callers write them and as they are answered.

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

/// Seconds since 1970 of RFC 3339, of the same with an offset without a colon (`+0000`, as Apex writes it), or of a date.
pub(super) fn parse(text: &str) -> Option<i64> {
    if let Some(date) = date(text) {
        return Some(date.midnight().assume_utc().unix_timestamp());
    }
    let with_colon = |at: usize| format!("{}:{}", &text[..at], &text[at..]);
    let offset =
        text.len().checked_sub(5).filter(|at| text.is_ascii() && text[*at..].starts_with(['+', '-']));
    let text = offset.map_or_else(|| text.to_owned(), |at| with_colon(at + 3));
    OffsetDateTime::parse(&text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// Seconds since 1970 as RFC 3339.
pub(super) fn timestamp(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_moment_is_read_however_salesforce_writes_it() {
        for (text, seconds) in [
            ("2026-11-20T16:00:00Z", Some(1_795_190_400)),
            ("2026-11-20T17:00:00+01:00", Some(1_795_190_400)),
            ("2026-11-20T16:00:00.000+0000", Some(1_795_190_400)),
            ("2026-11-20T09:00:00.000-0700", Some(1_795_190_400)),
            ("2026-11-20", Some(1_795_132_800)),
            ("2026-11-20T16:00:00", None),
            ("2026-02-30", None),
            ("20.11.2026", None),
            ("+0000", None),
            ("-", None),
            ("tomorrow", None),
            ("1795190400", None),
            ("2026-11-20T16:00:00é", None),
        ] {
            assert_eq!(parse(text), seconds, "{text}");
        }
    }
}
