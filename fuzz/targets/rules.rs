//! A rule and a lead: what is accepted when it is saved stays as it is when it is saved again, and runs.
#![no_main]

use leadmesh_forms::rules::{EvalBudget, FieldValue, Rule, check, compile, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((rule, lead)) = leadmesh_fuzz::two(data) else {
        return;
    };
    let Ok(rule) = serde_json::from_value::<Rule>(rule) else {
        return;
    };
    let fields = leadmesh_fuzz::fields();
    let Ok(canonical) = check(&rule, &fields) else {
        return;
    };
    assert_eq!(
        check(&canonical, &fields).as_ref(),
        Ok(&canonical),
        "saved again it changes"
    );
    assert!(!text(&canonical, &fields).is_empty(), "it has no words");
    let value = |name: &str| FieldValue {
        value: lead.get(name),
        valid: true,
    };
    let passes = |rule: &Rule| {
        let compiled = compile(rule, &fields).expect("it was checked");
        let verdict = compiled.evaluate(&value, &mut EvalBudget::default());
        verdict.map(|verdict| verdict.passed)
    };
    // Where the effort ends, nothing is known.
    if let (Ok(as_given), Ok(as_kept)) = (passes(&rule), passes(&canonical)) {
        assert_eq!(as_given, as_kept, "the canonical form means something else");
    }
});
