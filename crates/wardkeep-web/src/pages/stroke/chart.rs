//! Bar charts as SVG: classes and presentation attributes only, so that the page's style sheet
//! decides colours (light, dark, print) and no policy exception is needed.

use std::fmt::Write;

/// One bar: how many assessments, and how many of them with stroke.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub label: &'static str,
    pub rows: u64,
    pub strokes: u64,
    pub share: String,
}

impl Bar {
    pub(super) fn new(label: &'static str, rows: u64, strokes: u64) -> Self {
        Self { label, rows, strokes, share: share(rows, strokes) }
    }
    /// Tenths of a per cent.
    fn per_mille(&self) -> u64 {
        per_mille(self.rows, self.strokes)
    }
}

fn per_mille(rows: u64, strokes: u64) -> u64 {
    (strokes * 1000 + rows / 2).checked_div(rows).unwrap_or(0)
}

/// `4.9 %`, or `none` without rows.
pub(super) fn share(rows: u64, strokes: u64) -> String {
    if rows == 0 {
        return "none".to_owned();
    }
    let tenths = per_mille(rows, strokes);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// What the chart says, in one sentence.
pub(super) fn finding(bars: &[Bar]) -> String {
    match bars.iter().filter(|bar| bar.rows > 0).max_by_key(|bar| bar.per_mille()) {
        Some(bar) if bar.strokes > 0 => {
            format!("The share with stroke is highest for “{}”: {} of {}, {}.", bar.label, bar.strokes, bar.rows, bar.share)
        }
        Some(_) => "No stroke among these assessments.".to_owned(),
        None => "There are no assessments to show.".to_owned(),
    }
}

/// Markup that a template shows as it is: the only such type. It is made in this file from fixed
/// words and numbers, so nothing that anybody typed can be in it.
pub(super) struct Svg(String);

impl std::fmt::Display for Svg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Svg {}

/// Measures of a drawing in its own units.
#[derive(Clone, Copy)]
pub(super) struct Size {
    width: u64,
    labels: u64,
    numbers: u64,
}

pub(super) const WIDE: Size = Size { width: 600, labels: 130, numbers: 140 };
pub(super) const NARROW: Size = Size { width: 340, labels: 104, numbers: 66 };

const STEP: u64 = 30;

/// Horizontal bars of the share with stroke.
pub(super) fn svg(title: &'static str, bars: &[Bar], size: Size) -> Svg {
    let height = bars.len() as u64 * STEP + 12;
    let span = size.width - size.labels - size.numbers;
    let most = bars.iter().map(Bar::per_mille).max().unwrap_or(0).max(1);
    let spoken: Vec<String> = bars.iter().map(|bar| format!("{} {}", bar.label, bar.share)).collect();
    let mut out =
        format!("<svg class=\"chart\" viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"{title}. {}\">", size.width, spoken.join("; "));
    let x = size.labels;
    let _ = write!(out, "<line class=\"grid-l\" x1=\"{x}\" x2=\"{x}\" y1=\"4\" y2=\"{}\"/>", height - 4);
    for (at, bar) in bars.iter().enumerate() {
        let y = at as u64 * STEP + 8;
        let length = bar.per_mille() * span / most;
        let text = y + 14;
        let numbers = if size.width > 400 { format!("{} ({} of {})", bar.share, bar.strokes, bar.rows) } else { bar.share.clone() };
        let _ = write!(out, "<text class=\"end t-strong\" x=\"{}\" y=\"{text}\">{}</text>", x - 8, bar.label);
        let _ = write!(out, "<rect class=\"bar\" x=\"{x}\" y=\"{y}\" width=\"{length}\" height=\"18\"/>");
        let _ = write!(out, "<text x=\"{}\" y=\"{text}\">{numbers}</text>", x + length + 6);
    }
    out.push_str("</svg>");
    Svg(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_draws_one_bar_for_each_group_and_says_the_finding() {
        let bars = vec![Bar::new("Never smoked", 1892, 90), Bar::new("Smokes", 789, 42), Bar::new("Not known", 0, 0)];
        let drawn = svg("Stroke by smoking", &bars, WIDE).to_string();
        assert_eq!(drawn.matches("<rect").count(), 3);
        assert!(drawn.contains("5.3 % (42 of 789)") && drawn.contains("Not known none"));
        assert!(!drawn.contains("style="), "no inline style: the policy forbids it");
        assert_eq!(finding(&bars), "The share with stroke is highest for “Smokes”: 42 of 789, 5.3 %.");
    }
}
