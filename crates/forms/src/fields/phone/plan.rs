//! Numbering plans: which numbers a calling code has, and how its countries dial.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use regex::{Regex, RegexBuilder};

/// The longest number without its `+` (ITU-T E.164 section 6.2.1).
const MAX_E164_DIGITS: usize = 15;

/// All numbers of a calling code, over the countries that share it.
struct Plan {
    /// The country whose dialling rules apply when only the calling code is known.
    main: &'static str,
    members: Vec<&'static Metadata>,
    numbers: OnceLock<Option<Regex>>,
}

/// How a country dials.
struct Country {
    code: String,
    trunk: OnceLock<Option<Regex>>,
    abroad: OnceLock<Option<Regex>>,
    metadata: &'static Metadata,
}

static PLANS: LazyLock<HashMap<String, Plan>> = LazyLock::new(|| {
    let mut plans: HashMap<String, Plan> = HashMap::new();
    for metadata in DATABASE.iter() {
        let plan = plans
            .entry(metadata.country_code().to_string())
            .or_insert_with(|| Plan {
                main: metadata.id(),
                members: Vec::new(),
                numbers: OnceLock::new(),
            });
        plan.members.push(metadata);
        if metadata.is_main_country_for_code() {
            plan.main = metadata.id();
        }
    }
    plans
});

static COUNTRIES: LazyLock<HashMap<&'static str, Country>> = LazyLock::new(|| {
    let country = |metadata: &'static Metadata| Country {
        code: metadata.country_code().to_string(),
        trunk: OnceLock::new(),
        abroad: OnceLock::new(),
        metadata,
    };
    DATABASE
        .iter()
        .map(|metadata| (metadata.id(), country(metadata)))
        .collect()
});

/// The E.164 form of the digits after a `+`, with a trunk prefix after the calling code dropped (`+44 (0)20…`).
pub(super) fn international(digits: &str) -> Option<String> {
    let (code, plan) = (1..=3).find_map(|len| digits.get(..len).and_then(|code| PLANS.get_key_value(code)))?;
    let national = digits.strip_prefix(code.as_str())?;
    plan.assigned(code, national).or_else(|| {
        let significant = COUNTRIES.get(plan.main)?.without_trunk(national)?;
        plan.assigned(code, &significant)
    })
}

/// The E.164 form of digits as dialled in a country: as a number there, with and without trunk prefix, then with the
/// prefix for dialling abroad, then with the country's own calling code in front.
pub(super) fn national(digits: &str, country: &str) -> Option<String> {
    let country = COUNTRIES.get(country)?;
    let plan = PLANS.get(&country.code)?;
    plan.assigned(&country.code, digits)
        .or_else(|| plan.assigned(&country.code, &country.without_trunk(digits)?))
        .or_else(|| international(country.after_abroad(digits)?))
        .or_else(|| international(digits).filter(|_| digits.starts_with(&country.code)))
}

impl Plan {
    fn assigned(&self, code: &str, national: &str) -> Option<String> {
        if code.len() + national.len() > MAX_E164_DIGITS {
            return None;
        }
        let numbers = self.numbers.get_or_init(|| {
            let kinds = self.members.iter().copied().flat_map(descriptors);
            let patterns: Vec<&str> = kinds.map(|kind| kind.national_number().as_str()).collect();
            compile(&format!("^(?:{})$", patterns.join("|")))
        });
        numbers
            .as_ref()?
            .is_match(national)
            .then(|| format!("+{code}{national}"))
    }
}

/// The kinds of numbers that belong to somebody; not short codes, emergency numbers and carrier services.
fn descriptors(metadata: &Metadata) -> impl Iterator<Item = &Descriptor> {
    let kinds = metadata.descriptors();
    let all = [
        kinds.mobile(),
        kinds.fixed_line(),
        kinds.toll_free(),
        kinds.premium_rate(),
        kinds.shared_cost(),
        kinds.personal_number(),
        kinds.voip(),
        kinds.pager(),
        kinds.uan(),
        kinds.voicemail(),
    ];
    all.into_iter().flatten()
}

impl Country {
    /// The digits without the prefix for dialling within the country, rearranged where the plan says so (Argentina
    /// dials 0 11 15… for +54 9 11…); `None` if there is no such prefix.
    fn without_trunk(&self, digits: &str) -> Option<String> {
        let trunk = self.trunk.get_or_init(|| {
            let prefix = match self.metadata.national_prefix_for_parsing() {
                Some(prefix) => prefix.as_str(),
                None => self.metadata.national_prefix()?,
            };
            compile(&format!("^(?:{prefix})"))
        });
        let found = trunk.as_ref()?.captures(digits)?;
        let rest = digits.get(found.get(0)?.end()..)?;
        let last = found
            .len()
            .checked_sub(1)
            .filter(|last| *last > 0)
            .and_then(|last| found.get(last));
        let mut significant = String::new();
        if let (Some(rule), Some(_)) = (self.metadata.national_prefix_transform_rule(), last) {
            found.expand(&braced(rule), &mut significant);
        }
        significant.push_str(rest);
        Some(significant)
    }

    /// The digits behind the prefix for dialling abroad.
    fn after_abroad<'a>(&self, digits: &'a str) -> Option<&'a str> {
        let prefix = self.abroad.get_or_init(|| {
            self.metadata
                .international_prefix()
                .and_then(|prefix| compile(&format!("^(?:{})", prefix.as_str())))
        });
        digits.get(prefix.as_ref()?.find(digits)?.end()..)
    }
}

/// `$1` as `${1}`, since a digit or letter behind it would count as part of the group's name.
fn braced(rule: &str) -> String {
    let mut out = String::with_capacity(rule.len() + 4);
    let mut chars = rule.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' {
            out.extend(chars.next().into_iter().flat_map(|group| ['{', group, '}']));
        }
    }
    out
}

/// Compiles a pattern of the metadata, which is wrapped over lines and means ASCII by `\d`.
fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .ignore_whitespace(true)
        .unicode(false)
        .build()
        .ok()
}
