//! Tables of text: columns as wide as they must be, no lines but one under the head.

/// Where a column's text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A head, then rows; every line ends in a line break.
pub fn table<const N: usize>(head: [(&str, Align); N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|(name, _)| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    line(&mut out, &head.map(|(name, _)| name.to_owned()), &widths, &head.map(|(_, align)| align));
    let rule: usize = widths.iter().sum::<usize>() + 2 * (N - 1);
    out.push_str(&"-".repeat(rule));
    out.push('\n');
    for row in rows {
        line(&mut out, row, &widths, &head.map(|(_, align)| align));
    }
    out
}

fn line<const N: usize>(out: &mut String, cells: &[String; N], widths: &[usize; N], aligns: &[Align; N]) {
    let start = out.len();
    for ((cell, &width), &align) in cells.iter().zip(widths).zip(aligns) {
        if out.len() > start {
            out.push_str("  ");
        }
        let padding = " ".repeat(width - cell.chars().count());
        match align {
            Align::Left => out.extend([cell.as_str(), &padding]),
            Align::Right => out.extend([&padding, cell.as_str()]),
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["conv1".into(), "80".into()], ["ü".into(), "1,168".into()]];
        let text = table([("layer", Align::Left), ("params", Align::Right)], &rows);
        assert_eq!(text, "layer  params\n-------------\nconv1      80\nü       1,168\n");
    }
}
