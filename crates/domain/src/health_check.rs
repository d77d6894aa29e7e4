//! How a provider is asked whether it is there, without a client's call.

use std::ops::RangeInclusive;

/// Seconds between two checks of one provider: no provider is to be flooded, and what is asked less than once
/// an hour says nothing about now.
pub const INTERVAL_SECONDS: RangeInclusive<u32> = 1..=3_600;

/// Longest path of a check, in bytes.
pub const PATH_BYTES_MAX: usize = 200;

/// When and where a provider is asked whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Seconds from the end of one check to the next, give or take a tenth; within [`INTERVAL_SECONDS`].
    pub interval_seconds: u32,
    /// What is asked of the provider's server, such as `/health`: it begins at the root of the server, not at the
    /// base URL. `None`: the list of models, below the base URL.
    pub path: Option<String>,
}

/// Checks the seconds between two checks.
pub fn check_interval(seconds: u32) -> Result<(), String> {
    if INTERVAL_SECONDS.contains(&seconds) {
        return Ok(());
    }
    let (least, most) = (INTERVAL_SECONDS.start(), INTERVAL_SECONDS.end());
    Err(format!("must be {least} to {most} seconds"))
}

/// Checks a path. It is written into the head of a request as it is, so nothing that ends a line or a target
/// may stand in it.
pub fn check_path(path: &str) -> Result<(), String> {
    let fits = path.starts_with('/') && path.len() <= PATH_BYTES_MAX;
    if fits && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Ok(());
    }
    Err(format!(
        "must begin with `/` and have at most {PATH_BYTES_MAX} visible ASCII characters, and no spaces or `#`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_paths_have_bounds() {
        for (seconds, is_good) in [(0, false), (1, true), (3_600, true), (3_601, false)] {
            assert_eq!(check_interval(seconds).is_ok(), is_good, "{seconds}");
        }
        let (longest, longer) = (format!("/{}", "a".repeat(199)), format!("/{}", "a".repeat(200)));
        #[rustfmt::skip]
        let cases = [
            ("/",                       true),
            ("/health",                 true),
            ("/v1/models?limit=1",      true),
            (&*longest,                 true),
            (&*longer,                  false),
            ("",                        false),
            ("health",                  false),
            ("http://other.example/",   false),
            ("/a b",                    false),
            ("/a#b",                    false),
            ("/a\r\nx-other: 1",        false),
            ("/\u{e9}",                 false),
        ];
        for (path, is_good) in cases {
            assert_eq!(check_path(path).is_ok(), is_good, "{path:?}");
        }
    }
}
