//! What a node says of its machine when it starts. It never refuses.

use horae_tuning::{
    Profile,
    checks::{self, Finding},
    machine::Root,
};

/// Findings that get a line of their own; the rest is a number, and `horae tune check` tells all.
const LINES_MAX: usize = 4;

/// How many findings a node started with.
const FINDINGS: &str = "horae_machine_findings";

/// Warns of what costs most, and says how many findings there are.
pub fn warn(profile_name: &str, profile: &Profile) -> usize {
    if !profile.exercised {
        tracing::warn!(
            profile = profile_name,
            "this profile is on paper: nobody has said that it ran on a machine of its size"
        );
    }
    let findings = checks::check(&Root::of_this_machine(), profile);
    let costs: Vec<&Finding> = findings.iter().filter(|finding| finding.costs()).collect();
    for finding in costs.iter().take(LINES_MAX) {
        tracing::warn!(
            check = finding.check,
            found = finding.found,
            wants = finding.wants,
            "the machine: {}",
            finding.why
        );
    }
    if costs.len() > LINES_MAX {
        tracing::warn!(more = costs.len() - LINES_MAX, "more of the machine slows the node: horae tune check");
    }
    costs.len()
}

/// Shows the number to Prometheus; once the node has its recorder, which it has not when it warns.
pub fn count(findings: usize) {
    metrics::describe_gauge!(
        FINDINGS,
        "Findings of `horae tune check` when the node started, each of which slows it down"
    );
    // Far fewer than 2^32.
    #[allow(clippy::cast_precision_loss)]
    metrics::gauge!(FINDINGS).set(findings as f64);
}
