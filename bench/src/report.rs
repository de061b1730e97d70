//! The report: JSON for programs, Markdown tables for `bench/README.md`.

use serde::Serialize;

use crate::driver::Measured;
use crate::limits::Limits;
use crate::machine;

#[derive(Serialize)]
pub(crate) struct Report {
    pub machine: String,
    pub limits: Limits,
    /// In the order that was asked for, smallest first.
    pub sizes: Vec<Size>,
}

/// One hospital.
#[derive(Serialize)]
pub(crate) struct Size {
    pub patients: u64,
    pub stroke_rows: u64,
    pub loads: Vec<Measured>,
    pub values: Vec<Value>,
}

/// A number that is no load.
#[derive(Clone, Serialize)]
pub(crate) struct Value {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
}

// Names that targets are judged by.
pub(crate) const CHART: &str = "chart open, 100 records";
pub(crate) const RECORD: &str = "record create";
pub(crate) const IMPORT: &str = "import of 5,110 stroke rows, net of start";
pub(crate) const START: &str = "start to first answer";
pub(crate) const RESIDENT: &str = "resident after start";
pub(crate) const GROWTH: &str = "peak during a 100 MiB upload, above before";
/// Loads whose p99 must not follow the number of patients.
pub(crate) const LISTS: [&str; 4] = ["worklist", "search by MRN", "search by name prefix", "search by birth date"];

impl Size {
    pub(crate) fn value(&mut self, name: &'static str, unit: &'static str, value: f64) {
        eprintln!("{:>8} patients: {name}: {} {unit}", self.patients, number(value));
        self.values.push(Value { name, unit, value });
    }
    fn load(&self, name: &str, clients: usize) -> Option<&Measured> {
        self.loads.iter().find(|load| load.name == name && load.clients == clients)
    }
    fn found(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|value| value.name == name).map(|value| value.value)
    }
}

/// Three or more significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let rule: Vec<String> = head.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned()).collect();
    let rows: String = rows.iter().map(|cells| row(cells)).collect();
    format!("{}{}{rows}\n", row(head), row(&rule))
}

impl Report {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { machine: machine::describe(), limits, sizes: Vec::new() }
    }

    pub(crate) fn tables(&self) -> String {
        let sizes: Vec<String> =
            self.sizes.iter().map(|size| format!("{} patients, {} assessments", size.patients, size.stroke_rows)).collect();
        format!(
            "Machine: {}. Sizes: {}.\n\n{}{}{}{}",
            self.machine,
            sizes.join("; "),
            self.limits_table(),
            self.loads_table(),
            self.values_table(),
            self.targets_table()
        )
    }

    fn limits_table(&self) -> String {
        let limits = &self.limits;
        let line = |name: &str, value: f64, unit: &str| vec![name.to_owned(), format!("{} {unit}", number(value))];
        let rows = [
            line("bare hyper “hello”, 64 clients, same driver", limits.hello.per_s, "requests/s"),
            line("bare hyper “hello”, p99", limits.hello.p99_ms, "ms"),
            line("append 4 KiB and make it durable", limits.syncs_per_s, "/s"),
            line("AES-256-GCM, one core", limits.aes_gcm_mib_per_s, "MiB/s"),
            line("SHA-256, one core", limits.sha256_mib_per_s, "MiB/s"),
            line("Argon2id (19 MiB, 2 passes), one core", limits.argon2_ms, "ms"),
        ];
        table(&["limit of the machine".to_owned(), "measured".to_owned()], &rows)
    }

    fn loads_table(&self) -> String {
        let mut head = vec!["case".to_owned(), "clients".to_owned()];
        for size in &self.sizes {
            head.extend(["requests/s", "p50 ms", "p99 ms", "server CPU ms each"].map(|what| format!("{what} @ {}", size.patients)));
        }
        head.extend(["p99 ratio".to_owned(), "of “hello”".to_owned()]);
        let mut rows = Vec::new();
        for load in self.sizes.first().map(|size| size.loads.as_slice()).unwrap_or_default() {
            let found: Vec<Option<&Measured>> = self.sizes.iter().map(|size| size.load(&load.name, load.clients)).collect();
            let mut cells = vec![load.name.clone(), load.clients.to_string()];
            for measured in &found {
                cells.extend(measured.map_or_else(
                    || ["-"; 4].map(str::to_owned),
                    |m| [number(m.per_s), number(m.p50_ms), number(m.p99_ms), m.processor_ms.map_or_else(|| "-".to_owned(), number)],
                ));
            }
            let last = found.last().copied().flatten();
            cells.push(last.filter(|_| found.len() > 1).map_or_else(|| "-".to_owned(), |last| format!("{:.2}", last.p99_ms / load.p99_ms)));
            cells.push(last.map_or_else(|| "-".to_owned(), |last| format!("{:.2} %", 100.0 * last.per_s / self.limits.hello.per_s)));
            rows.push(cells);
        }
        table(&head, &rows)
    }

    fn values_table(&self) -> String {
        let mut head = vec!["what".to_owned()];
        head.extend(self.sizes.iter().map(|size| format!("@ {}", size.patients)));
        let mut rows = Vec::new();
        for value in self.sizes.first().map(|size| size.values.as_slice()).unwrap_or_default() {
            let mut cells = vec![format!("{} ({})", value.name, value.unit)];
            cells.extend(self.sizes.iter().map(|size| size.found(value.name).map_or_else(|| "-".to_owned(), number)));
            rows.push(cells);
        }
        table(&head, &rows)
    }

    /// The figures to reach, judged at the largest size.
    fn targets_table(&self) -> String {
        let (Some(small), Some(large)) = (self.sizes.first(), self.sizes.last()) else { return String::new() };
        let mut rows = Vec::new();
        let mut judge = |what: String, measured: Option<f64>, most: bool, bound: f64, unit: &str| {
            let Some(value) = measured else { return };
            let met = if most { value <= bound } else { value >= bound };
            let (sign, verdict) = (if most { "≤" } else { "≥" }, if met { "met" } else { "**missed**" });
            rows.push(vec![what, format!("{sign} {} {unit}", number(bound)), format!("{} {unit}", number(value)), verdict.to_owned()]);
        };
        judge(
            "chart with 100 records at 64 clients: 10 times 237/s".to_owned(),
            large.load(CHART, 64).map(|m| m.per_s),
            false,
            2370.0,
            "/s",
        );
        judge("record create at 64 clients: 20 times 51/s".to_owned(), large.load(RECORD, 64).map(|m| m.per_s), false, 1020.0, "/s");
        for name in LISTS {
            for load in small.loads.iter().filter(|load| load.name == name && self.sizes.len() > 1) {
                let ratio = large.load(name, load.clients).map(|large| large.p99_ms / load.p99_ms);
                judge(
                    format!("{name}, {} clients: p99 at {} over p99 at {}", load.clients, large.patients, small.patients),
                    ratio,
                    true,
                    1.5,
                    "",
                );
            }
        }
        judge(IMPORT.to_owned(), large.found(IMPORT), true, 2.0, "s");
        judge(START.to_owned(), large.found(START), true, 300.0, "ms");
        judge(RESIDENT.to_owned(), large.found(RESIDENT), true, 80.0, "MB");
        judge(GROWTH.to_owned(), large.found(GROWTH), true, 16.0, "MB");
        table(&["target", "bound", "measured", "verdict"].map(str::to_owned), &rows)
    }
}
