//! Makes rows of the public layout with plausible correlations; the same seed gives the same rows.
//!
//! The product ships no copy of the public file (its licence is unclear), so demos, benches and
//! tests make their own. Nothing here is random enough for secrets.

use crate::patient::Sex;
use crate::stroke::import::HEADER;
use crate::stroke::{Attributes, Residence, Smoking, WorkType};

/// First source id, as in the public file.
const ID_FIRST: u64 = 67;
/// Ids grow by 1 to this much from row to row.
const ID_STEP_MAX: u64 = 27;

/// An endless, seeded source of rows (own small xorshift; not for secrets).
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
}

impl Generator {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // SplitMix64 spreads small seeds; xorshift must not start at zero.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { state: (z ^ (z >> 31)).max(1) }
    }
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// A uniform number below `bound` (bound > 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply-shift; its bias is far below what plausible rows could show.
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }
    /// True in `per_mille` of 1000 cases.
    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
    /// About normal around zero with a spread of one, by the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 30)).unwrap_or(0)) / f64::from(1u32 << 30)
    }

    pub fn attributes(&mut self) -> Attributes {
        let age_years = self.age();
        let sex = if self.below(5000) == 0 {
            Sex::Other
        } else if self.chance(586) {
            Sex::Female
        } else {
            Sex::Male
        };
        let hypertension = self.chance(rising(age_years, 25.0, 82.0, 230));
        let heart_disease = self.chance(rising(age_years, 35.0, 82.0, 170));
        let ever_married = age_years >= 18.0 && self.chance(rising(age_years, 18.0, 40.0, 880));
        let work_type = self.work_type(age_years);
        let residence = if self.chance(508) { Residence::Urban } else { Residence::Rural };
        let avg_glucose_mg_dl = self.glucose(age_years);
        let bmi = self.bmi(age_years);
        let smoking = self.smoking(age_years);
        let mut risk = rising(age_years, 38.0, 82.0, 190);
        for factor in [hypertension, heart_disease, avg_glucose_mg_dl > 180.0, smoking == Smoking::Formerly] {
            risk += if factor { risk / 4 } else { 0 };
        }
        Attributes {
            sex,
            age_years,
            hypertension,
            heart_disease,
            ever_married,
            work_type,
            residence,
            avg_glucose_mg_dl,
            bmi,
            smoking,
            stroke: self.chance(risk),
        }
    }

    fn age(&mut self) -> f64 {
        let hundredths = if self.chance(23) {
            8 + 4 * self.below(46)
        } else {
            // A mix of an even spread and a hump around fifty.
            let even = 2 + self.below(81);
            let hump = (2 + self.below(81) + 2 + self.below(81)) / 2;
            100 * if self.chance(600) { even } else { hump }
        };
        hundredths_of(hundredths)
    }
    fn work_type(&mut self, age: f64) -> WorkType {
        match self.below(100) {
            _ if age < 14.0 => WorkType::Children,
            0..=4 if age < 23.0 => WorkType::NeverWorked,
            0..=65 => WorkType::Private,
            66..=84 => WorkType::SelfEmployed,
            _ => WorkType::GovtJob,
        }
    }
    fn glucose(&mut self, age: f64) -> f64 {
        let diabetic = self.chance(40 + rising(age, 20.0, 82.0, 220));
        let value = if diabetic { 205.0 + 26.0 * self.normal() } else { 90.0 + 18.0 * self.normal() };
        rounded(value.clamp(55.12, 271.74), 100)
    }
    fn bmi(&mut self, age: f64) -> Option<f64> {
        let missing = self.chance(39);
        let centre = if age < 14.0 { 18.0 } else { 30.0 };
        let value = rounded((centre + 6.5 * self.normal()).clamp(10.3, 97.6), 10);
        (!missing).then_some(value)
    }
    fn smoking(&mut self, age: f64) -> Smoking {
        match self.below(1000) {
            0..=899 if age < 10.0 => Smoking::Unknown,
            0..=249 => Smoking::Unknown,
            250..=419 if age >= 18.0 => Smoking::Smokes,
            420..=629 if age >= 18.0 => Smoking::Formerly,
            _ => Smoking::Never,
        }
    }
}

/// Zero below `from`, then rising with the square of the way to `to`, in per mille up to `top`.
fn rising(age: f64, from: f64, to: f64, top: u64) -> u64 {
    let way = ((age - from) / (to - from)).clamp(0.0, 1.0);
    // Steps of a hundredth keep the arithmetic in integers, the same on every machine.
    let steps = (0..=100u32).rev().find(|step| f64::from(*step) <= way * 100.0).unwrap_or(0);
    top * u64::from(steps * steps) / 10_000
}

fn hundredths_of(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(0)) / 100.0
}

/// Rounded to a whole number of parts, so that the text form has no tail of digits.
fn rounded(value: f64, parts: u32) -> f64 {
    (value * f64::from(parts)).round() / f64::from(parts)
}

/// A whole CSV of `rows` rows with header and final newline.
#[must_use]
pub fn csv(rows: u64, seed: u64) -> String {
    let mut generator = Generator::new(seed);
    let mut out = HEADER.join(",");
    out.push('\n');
    let mut id = ID_FIRST;
    for _ in 0..rows {
        generator.attributes().csv_line(id, &mut out);
        id += 1 + generator.below(ID_STEP_MAX);
    }
    out
}
