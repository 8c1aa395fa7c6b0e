//! Figures, and the table that shows them.

use std::{fmt, io};

use serde::Serialize;

use super::picture::Picture;

/// Everything that was measured, and on what.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    machine: Vec<(&'static str, String)>,
    figures: Vec<Figure>,
    /// Rows that could not be measured.
    pub not_measured: Vec<String>,
    /// By their rows.
    #[serde(skip)]
    pictures: Vec<(String, Picture)>,
}

/// What a row came to.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) figures: Vec<Figure>,
    pub(super) picture: Option<Picture>,
}

impl From<Vec<Figure>> for Measured {
    fn from(figures: Vec<Figure>) -> Self {
        Self { figures, picture: None }
    }
}

/// One thing measured in several rounds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    row: String,
    what: String,
    unit: &'static str,
    median: f64,
    least: f64,
    most: f64,
    rounds: usize,
    goal: Option<Goal>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    pub(super) fn new(machine: Vec<(&'static str, String)>) -> Self {
        Self { machine, figures: Vec::new(), not_measured: Vec::new(), pictures: Vec::new() }
    }

    pub(super) fn add(&mut self, row: &str, measured: Measured) {
        let figures = measured.figures.into_iter();
        self.figures.extend(figures.map(|figure| Figure { row: row.to_owned(), ..figure }));
        self.pictures.extend(measured.picture.map(|picture| (row.to_owned(), picture)));
    }

    /// The rows that have a picture, each with it, as SVG.
    ///
    /// Errors: a picture without anything in it.
    pub fn pictures(&self) -> io::Result<Vec<(&str, String)>> {
        self.pictures.iter().map(|(row, picture)| Ok((row.as_str(), picture.svg()?))).collect()
    }

    /// The report for machines.
    ///
    /// Errors: a figure that is no number.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

impl Figure {
    /// The median of `rounds`, which must not be empty.
    pub(super) fn new(what: impl Into<String>, unit: &'static str, mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self {
            row: String::new(),
            what: what.into(),
            unit,
            median: rounds[rounds.len() / 2],
            least: rounds[0],
            most: rounds[rounds.len() - 1],
            rounds: rounds.len(),
            goal: None,
        }
    }

    pub(super) fn at_least(self, goal: f64) -> Self {
        Self { goal: Some(Goal::AtLeast(goal)), ..self }
    }

    pub(super) fn at_most(self, goal: f64) -> Self {
        Self { goal: Some(Goal::AtMost(goal)), ..self }
    }

    fn judged(&self) -> String {
        match self.goal {
            None => String::new(),
            Some(Goal::AtLeast(goal)) => {
                format!("at least {} {}", number(goal), missed_unless(self.median >= goal))
            }
            Some(Goal::AtMost(goal)) => {
                format!("at most {} {}", number(goal), missed_unless(self.median <= goal))
            }
        }
    }
}

/// The median of `values`, which must not be empty.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn missed_unless(reached: bool) -> &'static str {
    if reached { "✓" } else { "missed" }
}

/// A number with as many digits as mean something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => {
            let digits = format!("{value:.0}").into_bytes();
            let groups: Vec<_> = digits.rchunks(3).rev().map(String::from_utf8_lossy).collect();
            groups.join(",")
        }
        middling if middling >= 100.0 => format!("{value:.0}"),
        small if small >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A table that is also Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, found) in &self.machine {
            writeln!(f, "- {what}: {found}")?;
        }
        let titles = ["row", "what", "median", "unit", "least – most", "goal"].map(str::to_owned);
        let mut lines = vec![titles];
        lines.extend(self.figures.iter().map(|figure| {
            let spread = if figure.rounds == 1 {
                String::new()
            } else {
                format!("{} – {}", number(figure.least), number(figure.most))
            };
            let (what, unit) = (figure.what.clone(), figure.unit.to_owned());
            [figure.row.clone(), what, number(figure.median), unit, spread, figure.judged()]
        }));
        let widths: [usize; 6] = std::array::from_fn(|column| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        });
        for (index, line) in lines.iter().enumerate() {
            writeln!(f)?;
            for (cell, width) in line.iter().zip(widths) {
                write!(f, "| {cell:width$} ")?;
            }
            write!(f, "|")?;
            if index == 0 {
                writeln!(f)?;
                for width in widths {
                    write!(f, "| {} ", "-".repeat(width))?;
                }
                write!(f, "|")?;
            }
        }
        writeln!(f)
    }
}
