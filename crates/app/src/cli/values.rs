//! Values as they are typed, refused in words that say what is expected.

use std::str::FromStr;

use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Kind;
use jiff::{SignedDuration, Timestamp};

/// A number from 1 on that fits its type.
pub(super) fn positive<N: FromStr>(text: &str) -> Result<N, String> {
    let is_zero = text.bytes().all(|byte| byte == b'0');
    text.parse().ok().filter(|_| !is_zero).ok_or_else(|| number_from(1, text))
}

pub(super) fn not_negative(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| number_from(0, text))
}

fn number_from(least: u8, text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let too_large = if is_number && text.len() > 9 { "; this one is too large" } else { "" };
    format!("must be a whole number from {least} on{too_large}")
}

/// A time such as `90s`, `30m`, `24h` or `7d`; `0` needs no unit.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let malformed = || "must be a time such as 90s, 30m, 24h or 7d".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(malformed)?;
    let seconds = match unit {
        "" if number == "0" => 1,
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(malformed()),
    };
    let number: u32 = number.parse().map_err(|_| malformed())?;
    Ok(SignedDuration::from_secs(i64::from(number) * seconds))
}

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "must be a time such as 2026-12-31T00:00:00Z".to_owned())
}

/// An instant or a number of days, as the server reads them.
pub(super) fn since(text: &str) -> Result<String, String> {
    let is_days = text.parse::<u32>().is_ok_and(|days| days > 0);
    let is_known = is_days || text.parse::<Timestamp>().is_ok();
    let words = "must be a time such as 2026-12-31T00:00:00Z, or a number of days";
    if is_known { Ok(text.to_owned()) } else { Err(words.to_owned()) }
}

/// The price of a kind, as in `web_searches_1k=10`.
pub(super) fn price_of_kind(text: &str) -> Result<(Kind, NanoUsd), String> {
    let (name, amount) = text.split_once('=').unwrap_or((text, ""));
    let kind = Kind::with_name(name).ok_or_else(|| {
        let kinds = Kind::ALL.map(Kind::name).join(", ");
        format!("must be KIND=USD such as web_searches_1k=10; the kinds are {kinds}")
    })?;
    dollars(amount).map(|price| (kind, price))
}

pub(super) fn dollars(text: &str) -> Result<NanoUsd, String> {
    let amount = text.strip_prefix('$').unwrap_or(text);
    amount.parse().map_err(|_| "must be an amount of dollars such as 0.15".to_owned())
}
