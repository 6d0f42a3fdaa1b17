//! The little that hand-made SVG needs: escaping, clipping, and the width of a text.

/// Width of a character of the drawings' 11 px monospaced text, in user units.
pub(super) const CHAR: f64 = 6.7;

/// Makes a text safe between tags and inside quoted attributes; control characters are dropped.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// At most `chars` characters; a longer text ends in an ellipsis.
pub(super) fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).collect::<String>() + "…"
}

/// How wide a text is drawn, in user units.
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHAR
}

#[cfg(test)]
mod tests {
    use super::{clip, escape};

    #[test]
    fn nothing_stays_markup() {
        assert_eq!(escape("<a b='c'>\u{1}&\""), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("abcd", 4), "abcd");
    }
}
