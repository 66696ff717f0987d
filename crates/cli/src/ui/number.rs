//! Numbers as people read them.

/// `1,234,567`
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 epoch`, `2 epochs`, `2 batches`
pub fn counted(n: u64, what: &str) -> String {
    let plural = match what {
        _ if n == 1 => "",
        what if what.ends_with("tch") => "es",
        _ => "s",
    };
    format!("{} {what}{plural}", thousands(n))
}

/// A share from 0 to 1 as `97.46%`.
pub fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// `0.42 s`, `41.3 s`, `12 min 05 s`, `3 h 07 min`
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `1x28x28`
pub fn shape(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// Bytes as `12.3 MiB`.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let texts: Vec<_> = [0, 999, 1000, 103_018, 25_557_032].map(thousands).into();
        assert_eq!(texts, ["0", "999", "1,000", "103,018", "25,557,032"]);
        assert_eq!((counted(1, "epoch"), counted(0, "epoch")), ("1 epoch".into(), "0 epochs".into()));
        assert_eq!(counted(1276, "batch"), "1,276 batches");
        assert_eq!(percent(0.974_648), "97.46%");
        let texts: Vec<_> = [0.421, 9.999, 41.3, 99.96, 725.0, 11_250.0].map(duration).into();
        assert_eq!(texts, ["0.42 s", "10.0 s", "41.3 s", "1 min 40 s", "12 min 05 s", "3 h 07 min"]);
        assert_eq!(shape(&[1, 28, 28]), "1x28x28");
        assert_eq!(mebibytes(3 << 19), "1.5 MiB");
    }
}
