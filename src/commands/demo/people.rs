//! Invented people who ask for offers. Their addresses and phone numbers belong to nobody (example.com, and the numbers 555-0100
//! to 555-0199, which are reserved for fiction).

use std::collections::VecDeque;

use fake::Fake;
use fake::faker::address::en::{BuildingNumber, StreetName};
use fake::faker::name::en::{FirstName, LastName};
use fake::rand::rngs::StdRng;
use fake::rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

/// City, state, first digits of its postal codes, area code.
const PLACES: [(&str, &str, &str, &str); 12] = [
    ("San Francisco", "CA", "941", "415"),
    ("San Diego", "CA", "921", "619"),
    ("Portland", "OR", "972", "503"),
    ("Seattle", "WA", "981", "206"),
    ("Denver", "CO", "802", "303"),
    ("Phoenix", "AZ", "850", "602"),
    ("Austin", "TX", "787", "512"),
    ("Chicago", "IL", "606", "312"),
    ("Atlanta", "GA", "303", "404"),
    ("Miami", "FL", "331", "305"),
    ("New York", "NY", "100", "212"),
    ("Boston", "MA", "021", "617"),
];
/// The choices of the flow's field `service`.
pub(super) const SERVICES: [&str; 4] = ["Solar panels", "Heat pump", "New windows", "Roof repair"];
/// Of twenty leads one is invalid, and one is a repetition.
const CYCLE: u32 = 20;
const INVALID: u32 = 7;
const AGAIN: u32 = 14;
/// Leads that may come again.
const REMEMBERED: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Usual,
    Invalid,
    /// The same submission once more, as after a lost answer: same key, same receipt.
    Repeated,
    /// The same person under a new key.
    Duplicate,
}

#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) fields: Map<String, Value>,
    pub(super) key: String,
}

pub(super) struct People {
    rng: StdRng,
    count: u32,
    recent: VecDeque<Lead>,
}

impl People {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            count: 0,
            recent: VecDeque::new(),
        }
    }

    pub(super) fn next(&mut self) -> Lead {
        self.count += 1;
        let (round, place) = (self.count / CYCLE, self.count % CYCLE);
        if place == AGAIN && !self.recent.is_empty() {
            let kind = if round.is_multiple_of(2) {
                Kind::Repeated
            } else {
                Kind::Duplicate
            };
            return self.again(kind);
        }
        let mut lead = self.person();
        if place == INVALID {
            lead.kind = Kind::Invalid;
            spoil(&mut lead.fields, round);
            return lead;
        }
        self.recent.push_back(lead.clone());
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        lead
    }

    /// Repeats the oldest lead that is remembered: its first submission is over.
    fn again(&mut self, kind: Kind) -> Lead {
        let Some(mut lead) = self.recent.pop_front() else {
            return self.person();
        };
        lead.kind = kind;
        if kind == Kind::Duplicate {
            lead.key = self.key();
        }
        lead
    }

    fn person(&mut self) -> Lead {
        let rng = &mut self.rng;
        let first: String = FirstName().fake_with_rng(rng);
        let last: String = LastName().fake_with_rng(rng);
        let number: String = BuildingNumber().fake_with_rng(rng);
        let street: String = StreetName().fake_with_rng(rng);
        let (city, state, zip, area) = PLACES
            .get(rng.random_range(0..PLACES.len()))
            .copied()
            .unwrap_or_default();
        let service = SERVICES
            .get(rng.random_range(0..SERVICES.len()))
            .copied()
            .unwrap_or_default();
        let mailbox = format!("{first}.{last}{}", rng.random_range(1..10_000))
            .to_lowercase()
            .replace('\'', "");
        let fields = json!({
            "first_name": first,
            "last_name": last,
            "email": format!("{mailbox}@example.com"),
            "phone": format!("({area}) 555-01{:02}", rng.random_range(0..100)),
            "street": format!("{number} {street}"),
            "city": city,
            "state": state,
            "zip": format!("{zip}{:02}", rng.random_range(1..60)),
            "service": service,
            "homeowner": rng.random_bool(0.8),
            "monthly_bill": format!("{}.{:02}", rng.random_range(40..400), rng.random_range(0..100)),
            "date_of_birth": format!("{}-{:02}-{:02}", rng.random_range(1945..2003), rng.random_range(1..13), rng.random_range(1..29)),
        });
        Lead {
            kind: Kind::Usual,
            name: format!("{first} {last}"),
            fields: match fields {
                Value::Object(fields) => fields,
                _ => Map::new(),
            },
            key: self.key(),
        }
    }

    fn key(&mut self) -> String {
        format!("demo-{:016x}", self.rng.random::<u64>())
    }
}

/// Adds a mistake that people make.
fn spoil(fields: &mut Map<String, Value>, round: u32) {
    match round % 3 {
        0 => fields.insert("phone".into(), "555-01".into()),
        1 => fields.remove("email"),
        _ => fields.insert("service".into(), "A pony".into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_is_invalid_and_one_was_there_before() {
        let mut people = People::new(1);
        let leads: Vec<Lead> = (0..80).map(|_| people.next()).collect();
        let count = |kind| leads.iter().filter(|lead| lead.kind == kind).count();
        assert_eq!(count(Kind::Invalid), 4);
        assert_eq!((count(Kind::Repeated), count(Kind::Duplicate)), (2, 2));
        for again in leads.iter().filter(|lead| lead.kind == Kind::Repeated) {
            let first = leads.iter().find(|lead| lead.key == again.key).unwrap();
            assert_eq!((first.kind, &first.fields), (Kind::Usual, &again.fields));
        }
        for again in leads.iter().filter(|lead| lead.kind == Kind::Duplicate) {
            assert!(
                leads
                    .iter()
                    .any(|lead| lead.fields == again.fields && lead.key != again.key)
            );
        }
    }

    #[test]
    fn another_seed_makes_other_people() {
        assert_ne!(People::new(1).next().fields, People::new(2).next().fields);
    }
}
