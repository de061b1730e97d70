//! What rules can ask about besides who and what: a closed list, with words for people. The facts
//! that held are kept with every decision, so that it can be asked again of other rules.

/// One thing that is so or is not. [`Fact::name`] is what the schema's `Facts` call it; whether the
/// account is active stands with the principal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Fact {
    Active,
    SecondFactor,
    Fresh,
    InCare,
    Own,
    Author,
    Oneself,
    Emergency,
    Proxy,
    Marked,
}

impl Fact {
    pub const ALL: [Fact; 10] = [
        Fact::Active,
        Fact::SecondFactor,
        Fact::Fresh,
        Fact::InCare,
        Fact::Own,
        Fact::Author,
        Fact::Oneself,
        Fact::Emergency,
        Fact::Proxy,
        Fact::Marked,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fact::Active => "active",
            Fact::SecondFactor => "second_factor",
            Fact::Fresh => "fresh",
            Fact::InCare => "in_care",
            Fact::Own => "own",
            Fact::Author => "author",
            Fact::Oneself => "self",
            Fact::Emergency => "emergency",
            Fact::Proxy => "proxy",
            Fact::Marked => "marked",
        }
    }
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.name() == name)
    }
    /// A sentence that says whether it is so.
    #[must_use]
    pub fn words(self, holds: bool) -> &'static str {
        match (self, holds) {
            (Fact::Active, true) => "The account is active.",
            (Fact::Active, false) => "The account is not active.",
            (Fact::SecondFactor, true) => "The session has proven a second factor.",
            (Fact::SecondFactor, false) => "The session has not proven a second factor.",
            (Fact::Fresh, true) => "A code was entered within the last five minutes.",
            (Fact::Fresh, false) => "No code was entered within the last five minutes.",
            (Fact::InCare, true) => "The patient is in this person's care.",
            (Fact::InCare, false) => "The patient is not in this person's care.",
            (Fact::Own, true) => "It is this person's own record.",
            (Fact::Own, false) => "It is not this person's own record.",
            (Fact::Author, true) => "This person wrote the entry.",
            (Fact::Author, false) => "Somebody else wrote the entry.",
            (Fact::Oneself, true) => "It is this person's own account.",
            (Fact::Oneself, false) => "It is somebody else's account.",
            (Fact::Emergency, true) => "The session holds emergency access to this record.",
            (Fact::Emergency, false) => "The session holds no emergency access to this record.",
            (Fact::Proxy, true) => "This person reads the record in the patient's stead.",
            (Fact::Proxy, false) => "This person is no proxy of the patient.",
            (Fact::Marked, true) => "The entry is marked as sensitive, and this person has no permission for that mark.",
            (Fact::Marked, false) => "No mark on the entry keeps this person from it.",
        }
    }
    fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// The facts that hold. As text: names with a space between, in the order of [`Fact::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Held(u16);

impl Held {
    #[must_use]
    pub fn holds(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }
    #[must_use]
    pub fn with(self, fact: Fact, holds: bool) -> Self {
        Self(if holds { self.0 | fact.bit() } else { self.0 & !fact.bit() })
    }
    /// `None` when a name is unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_whitespace().map(Fact::parse).collect()
    }
}

impl FromIterator<Fact> for Held {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        facts.into_iter().fold(Self::default(), |held, fact| held.with(fact, true))
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = Fact::ALL.into_iter().filter(|fact| self.holds(*fact)).map(Fact::name).collect();
        f.write_str(&names.join(" "))
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_from_their_text() {
        for bits in 0..1 << Fact::ALL.len() {
            assert_eq!(Held::parse(&Held(bits).to_string()), Some(Held(bits)));
        }
        assert_eq!(Held::parse("active boss"), None);
    }
}
