//! `docs/fault-matrix.md`, made of the table.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::run::{Fault, MINUTES};
use super::steps::{Party, Step};
use super::{Row, Table, table};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fault-matrix.md");

#[test]
fn the_page_of_faults_says_what_the_table_says() {
    let page = page(&table());
    if std::env::var_os("PAYBRIDGE_REFRESH").is_some() {
        std::fs::write(PATH, &page).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == page, "docs/fault-matrix.md is not up to date; refresh it with `make fault-page`");
}

fn page(table: &Table) -> String {
    let mut page = String::from(
        "# What happens when something goes wrong on the way\n\n\
         <!-- Made of tests/fixtures/faults.toml by `make fault-page`; change it there. -->\n\n\
         Each fault that the stand-ins can show, at each step that calls Salesforce or Stripe: when it comes once, and when it\n\
         begins with that call and then meets every call for twenty minutes. `make faults` tries every line of this page on\n\
         both databases, `make test` a part of them. In each case all records must be in the org in the end, right and none\n\
         doubled, and a day later still; what somebody asked for under one idempotency key must be done at Stripe exactly once,\n\
         or, where a line says so, not twice.\n\
         A day later means 26 hours, when Stripe does not know keys of before any more.\n",
    );
    let _ = writeln!(page, "\n## Words\n\n| | |\n| --- | --- |");
    for (word, meaning) in &table.words {
        let _ = writeln!(page, "| {word} | {meaning} |");
    }
    for (party, name, called) in
        [(Party::Salesforce, "Salesforce", &table.salesforce), (Party::Stripe, "Stripe", &table.stripe)]
    {
        let _ = writeln!(page, "\n## Faults of {name}\n\n| fault | what it is |\n| --- | --- |");
        for fault in Fault::all_of(party) {
            let _ = writeln!(page, "| `{}` | {} |", fault.name(), called[&fault.name()]);
        }
    }
    for (heading, is_in) in [
        (
            "Records on their way to Salesforce",
            (|step| step.party() == Party::Salesforce) as fn(&Step) -> bool,
        ),
        ("What is read from Stripe beside the events", |step| {
            step.party() == Party::Stripe && !step.is_asked()
        }),
        ("What callers of the API are answered", |step| step.is_asked()),
    ] {
        let _ = writeln!(page, "\n## {heading}");
        for step in Step::ALL.iter().filter(|step| is_in(step)) {
            section(&mut page, table, *step);
        }
    }
    page
}

/// Faults that end alike share a line.
fn section(page: &mut String, table: &Table, step: Step) {
    let section = &table.step[step.name()];
    let _ = writeln!(page, "\n### {}\n\nThe call: `{}`.\n", section.means, section.call);
    let mut lines: Vec<(Vec<String>, &Row)> = Vec::new();
    let mut never: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for fault in Fault::all_of(step.party()) {
        let (name, row) = (format!("`{}`", fault.name()), &section.faults[&fault.name()]);
        if !row.never.is_empty() {
            never.entry(&row.never).or_default().push(name);
            continue;
        }
        let same = |other: &&mut (Vec<String>, &Row)| {
            cells(step, other.1) == cells(step, row) && other.1.why == row.why
        };
        match lines.iter_mut().find(same) {
            Some((names, _)) => names.push(name),
            None => lines.push((vec![name], row)),
        }
    }
    let _ = writeln!(page, "| fault | {} |", columns(step).join(" | "));
    let _ = writeln!(page, "| --- |{}", " --- |".repeat(columns(step).len()));
    for (names, row) in &lines {
        let _ = writeln!(page, "| {} | {} |", names.join(", "), cells(step, row).join(" | "));
    }
    for (names, row) in lines.iter().filter(|(_, row)| !row.why.is_empty()) {
        let _ = writeln!(page, "\n{}: {}.", names.join(", "), row.why);
    }
    for (reason, names) in never {
        let _ = writeln!(page, "\nNot here: {}; {reason}.", names.join(", "));
    }
}

fn columns(step: Step) -> Vec<String> {
    match step.is_asked() {
        true => ["once", "as long as it lasts", "the same request afterwards", "the next day"]
            .map(str::to_owned)
            .to_vec(),
        false => {
            vec!["once".to_owned(), format!("for {MINUTES} minutes"), "`/v1/status` meanwhile".to_owned()]
        }
    }
}

fn cells(step: Step, row: &Row) -> Vec<&str> {
    match step.is_asked() {
        true => ["once", "lasting", "again", "next_day"].map(|column| row.expects(column)).to_vec(),
        false => ["once", "lasting", "status"].map(|column| row.expects(column)).to_vec(),
    }
}
