//! Aggregates over assessments, one pass, mergeable.
//!
//! Means and spread run by Welford's method, so that a million rows lose no digits. The median is
//! exact with bounded memory: ages are counted by hundredths of a year, at most 13,001 counters.
//! A missing BMI is left out, never counted as zero.

use crate::stroke::{Attributes, Smoking};

/// Oldest age that is counted apart, in hundredths of a year.
const HUNDREDTHS_MAX: usize = 13_000;

/// Running figures; means and sample SD by Welford's method.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Summary {
    pub rows: u64,
    pub strokes: u64,
    pub age: Moments,
    pub age_without_stroke: Moments,
    pub age_with_stroke: Moments,
    pub glucose: Moments,
    pub bmi: Moments,
    pub hypertension: u64,
    pub hypertension_with_stroke: u64,
    pub heart_disease: u64,
    pub heart_disease_with_stroke: u64,
    /// In the order of [`Smoking::ALL`]: (rows, strokes).
    pub by_smoking: [(u64, u64); 4],
    /// Ten-year age bands 0-9 … 90+: (rows, strokes).
    pub by_age_band: [(u64, u64); 10],
    /// Rows per hundredth of a year; grows to the oldest age seen.
    ages: Vec<u64>,
}

/// Count, mean and spread of one measure.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Moments {
    pub count: u64,
    pub mean: f64,
    m2: f64,
    pub min: f64,
    pub max: f64,
}

/// Counts stay far below 2^53, so nothing is lost.
#[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        (self.min, self.max) = if self.count == 0 { (value, value) } else { (self.min.min(value), self.max.max(value)) };
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / float(self.count);
        self.m2 += delta * (value - self.mean);
    }
    /// Takes another part's figures in, as if its values had been added here (Chan et al.).
    pub fn merge(&mut self, other: &Moments) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (ours, theirs) = (float(self.count), float(other.count));
        let delta = other.mean - self.mean;
        self.count += other.count;
        let all = float(self.count);
        self.mean += delta * theirs / all;
        self.m2 += other.m2 + delta * delta * ours * theirs / all;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
    /// Sample standard deviation; `None` under two values.
    #[must_use]
    pub fn sd(&self) -> Option<f64> {
        (self.count >= 2).then(|| (self.m2 / float(self.count - 1)).sqrt())
    }
}

fn count(cell: Option<&mut (u64, u64)>, stroke: bool) {
    if let Some((rows, strokes)) = cell {
        *rows += 1;
        *strokes += u64::from(stroke);
    }
}

/// Ages are bounded when parsed; anything else lands on the nearest end.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=13,000 first")]
fn hundredths(age_years: f64) -> usize {
    let max = u32::try_from(HUNDREDTHS_MAX).map_or(0.0, f64::from);
    (age_years * 100.0).round().clamp(0.0, max) as usize
}

impl Summary {
    pub fn add(&mut self, attributes: &Attributes) {
        let (a, stroke) = (attributes, attributes.stroke);
        self.rows += 1;
        self.strokes += u64::from(stroke);
        self.age.add(a.age_years);
        if stroke {
            self.age_with_stroke.add(a.age_years)
        } else {
            self.age_without_stroke.add(a.age_years)
        }
        self.glucose.add(a.avg_glucose_mg_dl);
        if let Some(bmi) = a.bmi {
            self.bmi.add(bmi);
        }
        self.hypertension += u64::from(a.hypertension);
        self.hypertension_with_stroke += u64::from(a.hypertension && stroke);
        self.heart_disease += u64::from(a.heart_disease);
        self.heart_disease_with_stroke += u64::from(a.heart_disease && stroke);
        let smoking = Smoking::ALL.iter().position(|s| *s == a.smoking);
        count(smoking.and_then(|at| self.by_smoking.get_mut(at)), stroke);
        let age = hundredths(a.age_years);
        count(self.by_age_band.get_mut((age / 1000).min(9)), stroke);
        if self.ages.len() <= age {
            self.ages.resize(age + 1, 0);
        }
        if let Some(rows) = self.ages.get_mut(age) {
            *rows += 1;
        }
    }

    /// Takes another part's figures in.
    pub fn merge(&mut self, other: &Summary) {
        self.rows += other.rows;
        self.strokes += other.strokes;
        self.age.merge(&other.age);
        self.age_without_stroke.merge(&other.age_without_stroke);
        self.age_with_stroke.merge(&other.age_with_stroke);
        self.glucose.merge(&other.glucose);
        self.bmi.merge(&other.bmi);
        self.hypertension += other.hypertension;
        self.hypertension_with_stroke += other.hypertension_with_stroke;
        self.heart_disease += other.heart_disease;
        self.heart_disease_with_stroke += other.heart_disease_with_stroke;
        let bands = self.by_age_band.iter_mut().zip(&other.by_age_band);
        for (ours, theirs) in self.by_smoking.iter_mut().zip(&other.by_smoking).chain(bands) {
            *ours = (ours.0 + theirs.0, ours.1 + theirs.1);
        }
        self.ages.resize(self.ages.len().max(other.ages.len()), 0);
        for (ours, theirs) in self.ages.iter_mut().zip(&other.ages) {
            *ours += theirs;
        }
    }

    /// Exact to the hundredth of a year; the mean of the middle two for an even count.
    #[must_use]
    pub fn median_age(&self) -> Option<f64> {
        let upper = self.age_at(self.rows / 2)?;
        if self.rows % 2 == 1 { Some(upper) } else { Some(f64::midpoint(self.age_at(self.rows / 2 - 1)?, upper)) }
    }

    /// The age at a place (from 0) in the sorted list of all ages.
    fn age_at(&self, place: u64) -> Option<f64> {
        let mut seen = 0;
        let at = self.ages.iter().position(|rows| {
            seen += rows;
            seen > place
        })?;
        u32::try_from(at).ok().map(|hundredths| f64::from(hundredths) / 100.0)
    }
}
