use proptest::prelude::*;

use super::generate::{Generator, csv};
use super::import::{ERRORS_MAX, parse};
use super::summary::{Moments, Summary};
use super::*;

const HEADER: &str =
    "id,gender,age,hypertension,heart_disease,ever_married,work_type,Residence_type,avg_glucose_level,bmi,smoking_status,stroke";
const GOOD: &str = "9046,Male,67,0,1,Yes,Private,Urban,228.69,36.6,formerly smoked,1";

fn file(lines: &[&str]) -> Vec<u8> {
    let mut text = HEADER.to_owned() + "\n";
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.into_bytes()
}

#[test]
fn a_generated_file_reads_back_exactly() {
    let text = csv(2000, 7);
    let parsed = parse(text.as_bytes());
    assert_eq!((parsed.rows.len(), parsed.refused), (2000, 0));
    let mut again = HEADER.to_owned() + "\n";
    for row in &parsed.rows {
        row.attributes.csv_line(row.source_id, &mut again);
    }
    assert_eq!(again, text);
    let mut generator = Generator::new(7);
    for row in &parsed.rows {
        assert!(generator.attributes() == row.attributes);
        generator.below(27);
    }
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_seed_another() {
    assert_eq!(csv(50, 1), csv(50, 1));
    assert_ne!(csv(50, 1), csv(50, 2));
    assert_ne!(csv(50, 0), csv(50, 1));
}

#[test]
fn generated_rows_are_plausible() {
    let mut summary = Summary::default();
    for row in parse(csv(20_000, 3).as_bytes()).rows {
        assert!(row.attributes.age_years >= 10.0 || !row.attributes.ever_married);
        summary.add(&row.attributes);
    }
    let share = |part: u64| f64::from(u32::try_from(part).unwrap()) / 20_000.0;
    assert!((0.03..0.07).contains(&share(summary.strokes)), "strokes {}", summary.strokes);
    assert!((38.0..48.0).contains(&summary.age.mean), "mean age {}", summary.age.mean);
    assert!((95.0..118.0).contains(&summary.glucose.mean), "mean glucose {}", summary.glucose.mean);
    assert!((26.0..31.0).contains(&summary.bmi.mean), "mean bmi {}", summary.bmi.mean);
    assert!((0.94..0.98).contains(&share(summary.bmi.count)), "bmi known {}", summary.bmi.count);
    assert!(summary.age_with_stroke.mean > summary.age_without_stroke.mean + 15.0);
}

#[test]
fn harmless_variations_of_a_file_are_taken() {
    let expected = parse(&file(&[GOOD])).rows;
    assert_eq!(expected.len(), 1);
    let cased = "9046, male ,67,0,1,YES,Private ,urban,228.69,36.6,Formerly Smoked, 1";
    let swapped = "stroke,id,gender,age,hypertension,heart_disease,ever_married,work_type,Residence_type,avg_glucose_level,bmi,smoking_status\n1,9046,Male,67,0,1,Yes,Private,Urban,228.69,36.6,formerly smoked\n";
    let quoted = "\"9046\",\"Male\",67,0,1,Yes,Private,Urban,228.69,36.6,\"formerly smoked\",1";
    for text in [
        format!("\u{feff}{HEADER}\n{GOOD}\n"),
        format!("{HEADER}\r\n{GOOD}\r\n"),
        format!("{}\n{GOOD}\n", HEADER.to_uppercase()),
        format!("{HEADER}\n{cased}\n"),
        format!("{HEADER}\n{quoted}\n"),
        // A last value of a closed kind cannot have been cut.
        format!("{HEADER}\n{GOOD}"),
        format!("{HEADER}\n{GOOD}\n\n"),
        swapped.to_owned(),
    ] {
        let parsed = parse(text.as_bytes());
        assert_eq!(parsed.errors, vec![], "{text}");
        assert!(parsed.rows == expected, "{text}");
    }
}

#[test]
fn bad_values_are_refused_with_line_column_and_reason() {
    let table = [
        ("id", "0", "(redacted)"),
        ("id", "12a", "(redacted)"),
        ("id", "", "(empty)"),
        ("id", "007", "(redacted)"),
        ("gender", "F", "(redacted)"),
        ("gender", "Meier", "(redacted)"),
        ("age", "01.08", "01.08"),
        ("age", "-3", "-3"),
        ("age", "131", "131"),
        ("age", "1e1", "(redacted)"),
        ("age", "0.083", "0.083"),
        ("age", "NaN", "NaN"),
        ("hypertension", "10+D4972", "(redacted)"),
        ("hypertension", "2", "2"),
        ("heart_disease", "Yes", "Yes"),
        ("heart_disease", "", "(empty)"),
        ("ever_married", "1", "1"),
        ("work_type", "Govt job", "(redacted)"),
        ("Residence_type", "Suburb", "(redacted)"),
        ("avg_glucose_level", "5.5", "5.5"),
        ("avg_glucose_level", "N/A", "N/A"),
        ("bmi", "0", "0"),
        ("bmi", "", "(empty)"),
        ("bmi", "inf", "(redacted)"),
        ("smoking_status", "never", "(redacted)"),
        ("stroke", "2", "2"),
        ("stroke", "020 7946 0018", "(redacted)"),
    ];
    let names: Vec<&str> = HEADER.split(',').collect();
    for (column, value, shown) in table {
        let mut cells: Vec<&str> = GOOD.split(',').collect();
        cells[names.iter().position(|name| *name == column).unwrap()] = value;
        let bad = cells.join(",");
        let parsed = parse(&file(&["1,Female,0.08,0,0,No,children,Rural,95.12,N/A,Unknown,0", &bad]));
        assert_eq!((parsed.rows.len(), parsed.refused, parsed.errors.len()), (1, 1, 1), "{column}={value}");
        let error = &parsed.errors[0];
        assert_eq!((error.line, error.column.as_str(), error.value.as_str()), (3, column, shown));
        assert!(error.reason.ends_with('.'), "{}", error.reason);
    }
}

#[test]
fn rows_that_do_not_fit_the_header_are_refused_alone() {
    let other = GOOD.replacen("9046", "9047", 1);
    for bad in
        ["", "1,2,3", &format!("{GOOD},Meier"), "\"9046,Male", GOOD, "\"90\"46,Male,67,0,1,Yes,Private,Urban,228.69,36.6,formerly smoked,1"]
    {
        let parsed = parse(&file(&[GOOD, bad, &other]));
        assert_eq!((parsed.rows.len(), parsed.refused), (2, 1), "{bad}");
        assert_eq!((parsed.errors[0].line, parsed.errors[0].value.as_str()), (3, "(redacted)"));
    }
}

#[test]
fn faults_of_the_whole_file_give_one_error_and_no_rows() {
    let table: [(Vec<u8>, u64); 13] = [
        (Vec::new(), 1),
        (format!("{HEADER}\n").into_bytes(), 1),
        (format!("{GOOD}\n").into_bytes(), 1),
        (format!("{HEADER},name,phone\n{GOOD},Meier,1\n").into_bytes(), 1),
        (format!("{}\n", HEADER.replace(",stroke", "")).into_bytes(), 1),
        (format!("{HEADER},Age\n").into_bytes(), 1),
        (format!("{HEADER}\n{GOOD}\n").replace(',', ";").into_bytes(), 1),
        (format!("{HEADER}\n{GOOD}\n").replace(',', "\t").into_bytes(), 1),
        (format!("{HEADER}\n{GOOD}\n9047,Male,6").into_bytes(), 3),
        (format!("{HEADER}\n{GOOD}\n9047,Male,67,0,1,Yes,Private,Urban,228.69,36.6,formerly smoked,").into_bytes(), 3),
        ([format!("{HEADER}\n{GOOD}\n").as_bytes(), b"\xff\xfe"].concat(), 3),
        (format!("{}\nMale,9046", HEADER.replace("id,gender", "gender,id")).into_bytes(), 2),
        // The last number may have lost digits.
        (b"id,gender,age,hypertension,heart_disease,ever_married,work_type,Residence_type,bmi,smoking_status,stroke,avg_glucose_level\n1,Male,67,0,1,Yes,Private,Urban,36.6,smokes,1,228.6".to_vec(), 2),
    ];
    for (bytes, line) in table {
        let parsed = parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!((parsed.rows.len(), parsed.errors.len(), parsed.refused), (0, 1, 1), "{text}");
        assert_eq!(parsed.errors[0].line, line, "{text}");
        assert!(!parsed.errors[0].reason.contains("Meier") && !parsed.errors[0].reason.contains("9046"));
    }
}

#[test]
fn a_report_is_bounded_and_the_count_is_not() {
    let bad = vec!["x,y"; ERRORS_MAX + 50];
    let parsed = parse(&file(&bad));
    assert_eq!((parsed.errors.len(), parsed.refused), (ERRORS_MAX, 1050));
}

#[test]
fn a_form_filled_with_an_assessment_parses_to_the_same_attributes() {
    let mut generator = Generator::new(11);
    for _ in 0..500 {
        let attributes = generator.attributes();
        assert!(AssessmentForm::from_attributes(&attributes).parse().unwrap() == attributes);
    }
}

#[test]
fn an_empty_form_names_every_wrong_field_in_layout_order() {
    let errors = AssessmentForm::default().parse().unwrap_err();
    let fields: Vec<&str> = errors.0.iter().map(|error| error.field).collect();
    // A missing BMI is "Not recorded", not an error.
    assert_eq!(
        fields,
        [
            "gender",
            "age",
            "hypertension",
            "heart_disease",
            "ever_married",
            "work_type",
            "residence_type",
            "avg_glucose_level",
            "smoking_status",
            "stroke"
        ]
    );
}

fn naive(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let mean = values.iter().sum::<f64>() / count;
    let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, spread.sqrt())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}

fn agrees(moments: &Moments, values: &[f64]) -> bool {
    let (mean, sd) = naive(values);
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    moments.count == values.len() as u64
        && close(moments.mean, mean)
        && close(moments.sd().unwrap(), sd)
        && close(moments.min, min)
        && close(moments.max, max)
}

#[test]
fn a_summary_equals_a_naive_computation_also_when_merged_from_parts() {
    let rows: Vec<Attributes> = parse(csv(5110, 42).as_bytes()).rows.into_iter().map(|row| row.attributes).collect();
    let (mut whole, mut left, mut right) = (Summary::default(), Summary::default(), Summary::default());
    for (at, row) in rows.iter().enumerate() {
        whole.add(row);
        if at % 3 == 0 { left.add(row) } else { right.add(row) }
    }
    left.merge(&right);
    left.merge(&Summary::default());
    let pick = |keep: &dyn Fn(&Attributes) -> Option<f64>| rows.iter().filter_map(keep).collect::<Vec<f64>>();
    for summary in [&whole, &left] {
        assert_eq!(summary.rows, 5110);
        assert_eq!(summary.strokes, rows.iter().filter(|a| a.stroke).count() as u64);
        assert!(agrees(&summary.age, &pick(&|a| Some(a.age_years))));
        assert!(agrees(&summary.age_with_stroke, &pick(&|a| a.stroke.then_some(a.age_years))));
        assert!(agrees(&summary.age_without_stroke, &pick(&|a| (!a.stroke).then_some(a.age_years))));
        assert!(agrees(&summary.glucose, &pick(&|a| Some(a.avg_glucose_mg_dl))));
        assert!(agrees(&summary.bmi, &pick(&|a| a.bmi)));
        assert_eq!(summary.hypertension_with_stroke, rows.iter().filter(|a| a.hypertension && a.stroke).count() as u64);
        assert_eq!(summary.heart_disease_with_stroke, rows.iter().filter(|a| a.heart_disease && a.stroke).count() as u64);
        for (at, smoking) in Smoking::ALL.iter().enumerate() {
            let of = |stroke: bool| rows.iter().filter(|a| a.smoking == *smoking && (a.stroke || !stroke)).count() as u64;
            assert_eq!(summary.by_smoking[at], (of(false), of(true)));
        }
        assert_eq!(summary.by_age_band.iter().map(|band| band.0).sum::<u64>(), 5110);
        let mut ages = pick(&|a| Some(a.age_years));
        ages.sort_by(f64::total_cmp);
        assert_eq!(summary.median_age(), Some(f64::midpoint(ages[2554], ages[2555])));
    }
}

#[test]
fn an_empty_summary_has_no_median_and_no_spread() {
    let mut summary = Summary::default();
    assert_eq!((summary.median_age(), summary.age.sd()), (None, None));
    summary.add(&Generator::new(1).attributes());
    assert!(summary.median_age() == Some(summary.age.mean) && summary.age.sd().is_none());
}

proptest! {
    #[test]
    fn reading_never_panics_on_mutated_bytes(seed in 0u64..1000, cuts in proptest::collection::vec((0usize..4000, any::<u8>()), 0..12), end in 0usize..4000) {
        let mut bytes = csv(40, seed).into_bytes();
        for (at, byte) in cuts {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        bytes.truncate(end);
        let parsed = parse(&bytes);
        prop_assert!(parsed.rows.len() as u64 + parsed.refused <= 42);
        prop_assert!(parsed.errors.len() <= ERRORS_MAX);
    }

    #[test]
    fn reading_never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
        let _ = parse(&[HEADER.as_bytes(), b"\n", &bytes].concat());
    }
}
