//! Texts as squares that a camera reads (QR codes), drawn as one path.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The empty border that cameras need, in modules.
const BORDER: usize = 4;

/// A drawing whose unit is one module.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// Width and height, the border included.
    pub(crate) size: usize,
    /// The dark modules: the `d` of an SVG path.
    pub(crate) path: String,
}

/// Draws a text. `None`: it is too long.
pub(crate) fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        for (x, length) in runs(row) {
            // Writing to a text cannot fail.
            let _is_written =
                write!(path, "M{} {}h{length}v1h-{length}z", x + BORDER, y + BORDER).is_ok();
        }
    }
    Some(Drawing { size: width + 2 * BORDER, path })
}

/// Where the dark stretches of a row begin, and how long they are.
fn runs(row: &[Color]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (x, _) in row.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == x => *length += 1,
            Some(_) | None => runs.push((x, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_dark_stretches() {
        let row = |text: &str| -> Vec<Color> {
            text.chars().map(|c| if c == '#' { Color::Dark } else { Color::Light }).collect()
        };
        for (text, expected) in
            [("", vec![]), ("...", vec![]), ("###", vec![(0, 3)]), (".##.#", vec![(1, 2), (4, 1)])]
        {
            assert_eq!(runs(&row(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_drawing_has_its_three_corners_and_a_border() {
        let drawing = draw("otpauth://totp/Doorward:a?secret=ABC").unwrap();
        let [first, right] = [BORDER, drawing.size - BORDER - 7].map(|x| format!("M{x} 4h7v1h-7z"));
        let below = format!("M4 {}h7v1h-7z", drawing.size - BORDER - 1);
        for corner in [first, right, below] {
            assert!(drawing.path.contains(&corner), "{corner}: {}", drawing.path);
        }
        assert!(draw(&"x".repeat(5_000)).is_none());
    }
}
