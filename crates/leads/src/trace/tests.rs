use super::*;

fn subject(name: &str, number: usize) -> Subject {
    Subject::new(uuid::Uuid::from_u128(number as u128), name)
}

fn length(trace: &Trace) -> usize {
    serde_json::to_string(&trace.entries()).unwrap().len()
}

#[test]
fn many_steps_to_many_places_stay_within_the_bounds() {
    let mut trace = Trace::default();
    trace.share(50, 50);
    for step in 0..50 {
        let step = subject(&"\u{1F600}".repeat(120), step);
        trace.enter(&step, true);
        for look in ["enabled", "criteria", "profile rule"] {
            trace.check(&step, look, true, "x".repeat(3_000));
        }
        for place in 0..150 {
            trace.check_item(&subject("Partner", 1_000 + place), "rule", false, "\"".repeat(5_000));
        }
    }
    assert!(trace.entries().len() <= MAX_ENTRIES, "{}", trace.entries().len());
    assert!(length(&trace) <= MAX_BYTES, "{}", length(&trace));
    let held: usize = trace.entries.iter().map(bytes).sum();
    assert!(held <= MAX_BYTES);
    assert_eq!(trace.weight(), held);
}

#[test]
fn each_step_tells_how_much_it_has_left_out_and_who_was_chosen() {
    let mut trace = Trace::default();
    trace.share(2, 2);
    for step in 0..2 {
        trace.enter(&subject("Step", step), true);
        for place in 0..400 {
            trace.check_item(&subject("Partner", 1_000 + place), "rule", false, "n IN [1, 2]");
        }
    }
    for step in 0..2 {
        trace.enter(&subject("Step", step), true);
        trace.select(&subject("Partner", 5_000), true, "gets the lead");
    }
    let entries = trace.entries();
    assert_eq!(entries.iter().filter(|entry| entry.check == "chosen").count(), 2);
    for step in 0..2 {
        let id = Some(subject("Step", step).id);
        let cut: Vec<_> = entries.iter().filter(|entry| entry.subject_id == id).collect();
        assert_eq!(cut.len(), 1);
        let told = cut[0].omitted.unwrap();
        assert_eq!(
            (cut[0].check.as_str(), &cut[0].detail),
            ("more", &format!("and {told} more"))
        );
        assert!(told > 200 && told < 400, "{told}");
    }
    let told = entries.iter().filter(|entry| entry.check == "rule").count();
    let cut: usize = entries.iter().filter_map(|entry| entry.omitted).sum();
    assert_eq!(told + cut, 800);
}

#[test]
fn what_is_left_out_tells_nothing_of_encrypted_conditions() {
    let mut trace = Trace::default();
    trace.share(1, 1);
    trace.enter(&subject("Step", 1), true);
    let detail = format!("{} {ENCRYPTED_CONDITION}", "x".repeat(3_000));
    for place in 0..400 {
        trace.check_item(&subject("Partner", 1_000 + place), "rule", false, detail.as_str());
    }
    trace.check(&subject("Step", 1), "filter", false, detail.as_str());
    let entries = trace.entries();
    assert!(entries.iter().any(|entry| entry.omitted.is_some()));
    assert!(entries.iter().all(TraceEntry::rests_on_encrypted), "{entries:?}");
    assert_eq!(Trace::resume(entries.clone()).entries(), entries);
}

#[test]
fn what_is_added_to_a_stored_trace_is_bounded_with_it() {
    let mut full = Trace::default();
    full.share(50, 50);
    for step in 0..50 {
        full.enter(&subject("Step", step), true);
        for place in 0..50 {
            full.check_item(&subject("Partner", 1_000 + place), "rule", false, "n IN [1, 2]");
        }
    }
    for mut stored in [Vec::new(), full.entries()] {
        let looks = |stored: &[TraceEntry]| -> usize { stored.iter().map(|entry| entry.omitted.unwrap_or(1)).sum() };
        let before = looks(&stored);
        for place in 0..600 {
            let mut trace = Trace::resume(stored);
            trace.check_item(
                &subject("Buyer", 5_000 + place),
                "shared fields",
                false,
                "x".repeat(150),
            );
            stored = trace.entries();
        }
        assert!(stored.len() <= MAX_ENTRIES, "{}", stored.len());
        let length = serde_json::to_string(&stored).unwrap().len();
        assert!(length <= MAX_BYTES, "{length}");
        assert_eq!(looks(&stored), before + 600);
    }
}

#[test]
fn a_short_trace_is_whole() {
    let mut trace = Trace::default();
    trace.check(&subject("Flow", 1), "enabled", true, "the flow takes leads");
    trace.enter(&subject("Step", 2), true);
    trace.check_item(&subject("Partner", 3), "rule", false, "no");
    trace.leave();
    trace.check(&subject("Flow", 1), "caps", false, "full");
    let checks: Vec<String> = trace.entries().into_iter().map(|entry| entry.check).collect();
    assert_eq!(checks, ["enabled", "rule", "caps"]);
}
