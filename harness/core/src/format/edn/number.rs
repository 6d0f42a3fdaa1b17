//! EDN's numbers, as far as they are not short whole ones; also hexadecimal ones, as Clojure reads.
//!
//! Whole numbers that don't fit 64 bits, and decimals and ratios that a float can't tell from their
//! neighbours, are refused: two values that differ must not become one.

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// The decimal digits that every float keeps.
const FLOAT_DIGITS: usize = 15;

/// Numerators and denominators below this make floats that differ where the ratios do.
const RATIO_LIMIT: i64 = 1 << 26;

/// Reads a number; if it can't be, says what was expected.
pub(super) fn parse(token: &str) -> Result<Number, &'static str> {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = "a whole number that fits 64 bits";
    if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"))
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        let number = i64::from_str_radix(hex, 16).map_err(|_| whole)?;
        return Ok(Number::Int(if token.starts_with('-') { -number } else { number }));
    }
    if digits(unsigned.strip_suffix('N').unwrap_or(unsigned)) {
        let token = token.strip_suffix('N').unwrap_or(token);
        return token.parse().map(Number::Int).map_err(|_| whole);
    }
    if let Some((numerator, denominator)) = unsigned.split_once('/')
        && digits(numerator)
        && digits(denominator)
    {
        return ratio(token, numerator, denominator);
    }
    let decimal = unsigned.strip_suffix('M').unwrap_or(unsigned);
    let plain =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !decimal.starts_with(|first: char| first.is_ascii_digit()) || !decimal.bytes().all(plain) {
        return Err("a number");
    }
    let mantissa = decimal.split(['e', 'E']).next().unwrap_or_default();
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|byte| *byte == b'0');
    if unsigned.ends_with('M') && significant.count() > FLOAT_DIGITS {
        return Err("a decimal of at most 15 digits");
    }
    let token = token.strip_suffix('M').unwrap_or(token);
    match token.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Number::Float(number)),
        Ok(_) => Err("a number that fits a 64-bit float"),
        Err(_) => Err("a number"),
    }
}

fn ratio(token: &str, numerator: &str, denominator: &str) -> Result<Number, &'static str> {
    let part = |digits: &str| digits.parse().ok().filter(|number| *number < RATIO_LIMIT);
    match (part(numerator), part(denominator)) {
        (Some(_), Some(0)) => Err("a ratio whose denominator is not zero"),
        (Some(numerator), Some(denominator)) => {
            let ratio = numerator as f64 / denominator as f64;
            Ok(Number::Float(if token.starts_with('-') { -ratio } else { ratio }))
        }
        _ => Err("a ratio of numbers below 2^26"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, parse};

    #[test]
    fn every_way_to_write_a_number() {
        for (token, number) in [
            ("0", Number::Int(0)),
            ("+7", Number::Int(7)),
            ("-12N", Number::Int(-12)),
            ("9223372036854775807", Number::Int(i64::MAX)),
            ("-9223372036854775808", Number::Int(i64::MIN)),
            ("0x1F", Number::Int(31)),
            ("1.5", Number::Float(1.5)),
            ("-2.25M", Number::Float(-2.25)),
            ("1e3", Number::Float(1000.0)),
            ("1.", Number::Float(1.0)),
            ("-1/4", Number::Float(-0.25)),
        ] {
            assert_eq!(parse(token), Ok(number), "{token}");
        }
    }

    #[test]
    fn what_would_lose_digits_or_is_no_number_is_refused() {
        for token in [
            "9223372036854775808",
            "99999999999999999999N",
            "0x8000000000000000",
            "0.1234567890123456M",
            "1/0",
            "1/134217728",
            "1e999",
            "1x",
            "1-2",
            "0x",
            "1/2/3",
            "1.2.3",
        ] {
            assert!(parse(token).is_err(), "{token}");
        }
    }
}
