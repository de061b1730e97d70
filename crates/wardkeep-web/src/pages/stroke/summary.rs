//! The summary panel: figures, two charts drawn on the server, and the tables behind them.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use wardkeep_domain::stroke::Smoking;
use wardkeep_domain::stroke::summary::{Moments, Summary};

use super::chart::{self, Bar};
use super::{FilterForm, smokings};
use crate::extract::Signed;
use crate::page::{FormErrors, Page, render, render_invalid};

struct Figure {
    title: &'static str,
    axis: &'static str,
    finding: String,
    wide: chart::Svg,
    narrow: chart::Svg,
    bars: Vec<Bar>,
}

impl Figure {
    fn new(title: &'static str, axis: &'static str, bars: Vec<Bar>) -> Self {
        let finding = chart::finding(&bars);
        Self { title, axis, wide: chart::svg(title, &bars, chart::WIDE), narrow: chart::svg(title, &bars, chart::NARROW), finding, bars }
    }
}

struct Measure {
    label: &'static str,
    count: u64,
    mean: String,
    sd: String,
    min: String,
    max: String,
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

fn measure(label: &'static str, moments: &Moments) -> Measure {
    let some = |text: String| if moments.count == 0 { "None".to_owned() } else { text };
    Measure {
        label,
        count: moments.count,
        mean: some(two(moments.mean)),
        sd: moments.sd().map_or_else(|| "None".to_owned(), two),
        min: some(two(moments.min)),
        max: some(two(moments.max)),
    }
}

#[derive(Template)]
#[template(path = "stroke/summary.html")]
struct SummaryPage {
    page: Page,
    errors: FormErrors,
    filter: FilterForm,
    smokings: Vec<(&'static str, &'static str)>,
    as_of: String,
    rows: u64,
    strokes: u64,
    stroke_share: String,
    mean_age: String,
    sd_age: String,
    median_age: String,
    hypertension: u64,
    hypertension_strokes: u64,
    heart_disease: u64,
    heart_disease_strokes: u64,
    figures: Vec<Figure>,
    measures: Vec<Measure>,
}

const BANDS: [&str; 10] = ["0–9", "10–19", "20–29", "30–39", "40–49", "50–59", "60–69", "70–79", "80–89", "90 and over"];

fn template(signed: &Signed, page: Page, filter: FilterForm, errors: FormErrors, s: &Summary) -> SummaryPage {
    let bands = BANDS.iter().zip(s.by_age_band).map(|(label, (rows, strokes))| Bar::new(label, rows, strokes)).collect();
    let smoking =
        Smoking::ALL.iter().zip(s.by_smoking).map(|(smoking, (rows, strokes))| Bar::new(smoking.label(), rows, strokes)).collect();
    SummaryPage {
        page,
        errors,
        filter,
        smokings: smokings(),
        as_of: signed.ctx.now().staff(),
        rows: s.rows,
        strokes: s.strokes,
        stroke_share: chart::share(s.rows, s.strokes),
        mean_age: if s.age.count == 0 { "None".to_owned() } else { two(s.age.mean) },
        sd_age: s.age.sd().map_or_else(|| "none".to_owned(), two),
        median_age: s.median_age().map_or_else(|| "none".to_owned(), |age| age.to_string()),
        hypertension: s.hypertension,
        hypertension_strokes: s.hypertension_with_stroke,
        heart_disease: s.heart_disease,
        heart_disease_strokes: s.heart_disease_with_stroke,
        figures: vec![Figure::new("Stroke by age", "Age", bands), Figure::new("Stroke by smoking", "Smoking", smoking)],
        measures: vec![
            measure("Age, all", &s.age),
            measure("Age, with stroke", &s.age_with_stroke),
            measure("Age, without stroke", &s.age_without_stroke),
            measure("Average glucose, mg/dl", &s.glucose),
            measure("Body mass index", &s.bmi),
        ],
    }
}

pub async fn summary(signed: Signed, Query(filter): Query<FilterForm>) -> Response {
    let page = signed.page("Stroke summary");
    let parsed = match filter.parse() {
        Ok(parsed) => parsed,
        Err(errors) => return render_invalid(&template(&signed, page.failed(), filter, errors.into(), &Summary::default())),
    };
    match signed.web.app.stroke_summary(&signed.ctx, &parsed).await {
        Ok(summary) => render(&template(&signed, page, filter, FormErrors::default(), &summary)),
        Err(error) => signed.fail(&error),
    }
}
