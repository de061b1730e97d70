//! Aggregates over assessments, one pass, mergeable.

use crate::stroke::{Attributes, Smoking};

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
    ages: Vec<f32>,
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

impl Moments {
    pub fn add(&mut self, value: f64) {
        let _ = (value, self.m2);
        todo!("domain helper")
    }
    /// Sample standard deviation; `None` under two values.
    #[must_use]
    pub fn sd(&self) -> Option<f64> {
        todo!("domain helper")
    }
}

impl Summary {
    pub fn add(&mut self, attributes: &Attributes) {
        let _ = (attributes, &self.ages, Smoking::ALL);
        todo!("domain helper")
    }
    #[must_use]
    pub fn median_age(&self) -> Option<f64> {
        todo!("domain helper")
    }
}
