//! The distribution of many runs as text: a table for a terminal, and JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::figures::{Column, Distribution, FIGURES, shown, spread};
use crate::lab::report::words::shortened;

/// The version of the JSON form; it grows when a field changes its meaning.
const FORMAT: u32 = 1;
const LABEL_MAX: usize = 28;

/// How wide the names of figures are, and a value.
const NAME: usize = 18;
const VALUE: usize = 11;

/// A table in plain text, to be read in a terminal.
pub fn table(of: &Distribution) -> String {
    let mut text = format!("{}\n\n{:NAME$}", of.title, "");
    for column in &of.columns {
        let label = shortened(&column.label, LABEL_MAX);
        write!(text, " {label:>width$}", width = 3 * VALUE).expect("a string takes all");
    }
    text.push('\n');
    let names = ["median", "p99", "worst"].map(str::to_owned);
    line(&mut text, of, "", |_| names.clone());
    for (i, figure) in FIGURES.iter().enumerate() {
        let cells =
            |column: &Column| spread(&column.values[i]).map(|value| shown(value, figure.unit));
        line(&mut text, of, figure.name, cells);
    }
    type Count = fn(&Column) -> usize;
    let counts: [(&str, Count); 4] = [
        ("Runs", |column| column.runs),
        ("No failover in", |column| column.without_failover),
        ("Lost writes in", |column| column.with_losses),
        ("Failed", |column| column.failed),
    ];
    for (name, number) in counts {
        let cells = |column: &Column| [String::new(), String::new(), number(column).to_string()];
        line(&mut text, of, name, cells);
    }
    text
}

/// One line: its name, and three cells for each column.
fn line(text: &mut String, of: &Distribution, name: &str, cells: impl Fn(&Column) -> [String; 3]) {
    let mut line = format!("{name:NAME$}");
    for column in &of.columns {
        line.push(' ');
        for cell in cells(column) {
            write!(line, "{cell:>VALUE$}").expect("a string takes all");
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The distribution as JSON, with all values.
pub fn json(of: &Distribution) -> String {
    let columns = of.columns.iter().map(|column| {
        let figures = FIGURES.iter().zip(&column.values).map(|(figure, values)| {
            let [median, p99, worst] = spread(values);
            let value = json!({
                "count": values.len(),
                "median": median,
                "p99": p99,
                "worst": worst,
                "values": values,
            });
            (figure.key.to_owned(), value)
        });
        json!({
            "label": column.label,
            "runs": column.runs,
            "failed": column.failed,
            "without_failover": column.without_failover,
            "with_losses": column.with_losses,
            "figures": Value::Object(figures.collect()),
        })
    });
    let columns: Vec<Value> = columns.collect();
    let value = json!({"format": FORMAT, "title": of.title, "columns": columns});
    format!("{value:#}\n")
}
