//! The values of link faults: times such as `250ms`, and shares such as `30%`.

/// A time in milliseconds, above 0 and up to a minute.
pub(super) fn millis(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let factor = match unit {
        "s" => 1000.0,
        "ms" => 1.0,
        "us" => 0.001,
        _ => return None,
    };
    // To the nanosecond, so that a product in binary is written back as it was read.
    let millis = (decimal(number)? * factor * 1e6).round() / 1e6;
    (millis > 0.0 && millis <= 60_000.0).then_some(millis)
}

/// A share, above 0 % and up to 100 %; `0.3` means `30%`.
pub(super) fn share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => decimal(percent)? / 100.0,
        None => decimal(text)?,
    };
    (share > 0.0 && share <= 1.0).then_some(share)
}

/// A share as it is written back.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

// `str::parse` alone would also take `inf`, `NaN` and `1e9`.
fn decimal(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these decimals are read exactly")]
mod tests {
    use super::{millis, share};

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(millis("250ms"), Some(250.0));
        assert_eq!(millis("0.5s"), Some(500.0));
        assert_eq!(millis("500us"), Some(0.5));
        for bad in ["", "250", "ms", "-1ms", "0ms", "61s", "1h", "infs", "1e3ms", "1.2.3ms", "±ms"]
        {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }

    #[test]
    fn shares_are_percents_or_fractions() {
        assert_eq!(share("30%"), Some(0.3));
        assert_eq!(share("0.25"), Some(0.25));
        assert_eq!(share("100%"), Some(1.0));
        for bad in ["", "%", "0%", "101%", "1.5", "-0.1", "NaN", "30 %"] {
            assert_eq!(share(bad), None, "{bad}");
        }
    }
}
