//! The committed page, and what a report makes of a page.

use super::{Report, UnitCosts, fits, page};

/// The rate of the committed page.
const RATE: u32 = 1_000_000;

fn report(rows: &[(&str, f64)]) -> Report {
    let unit = |name: &str| if name.ends_with("/bytes") { "B/tx" } else { "ns/tx" };
    let rows: Vec<_> = rows
        .iter()
        .map(|(name, value)| serde_json::json!({ "name": name, "value": value, "unit": unit(name), "baseline": "k256", "ratio": 3.0 }))
        .collect();
    let text = serde_json::json!({ "machine": { "cpu": "a core" }, "rows": rows }).to_string();
    Report::parse("report.json", &text).unwrap()
}

#[test]
fn the_committed_page_is_what_the_committed_report_gives() {
    let committed = include_str!("../../CAPACITY.md");
    let made = page(&Report::committed(), RATE);
    assert!(
        made == committed,
        "tuning/CAPACITY.md is not of tuning/capacity-input.json: run `horae tune capacity --report tuning/capacity-input.json --rate {RATE} --write tuning`"
    );
}

#[test]
fn the_committed_report_is_as_it_is_written() {
    assert_eq!(Report::committed().used().to_json(), super::COMMITTED_REPORT);
}

#[test]
fn what_was_not_measured_is_shown_so() {
    let page = page(&report(&[]), RATE);
    for worker in ["decode", "recover", "execute", "framed TCP", "QUIC", "JSON-RPC", "journal", "packing"] {
        let row = page.lines().find(|line| line.starts_with(&format!("| {worker} |"))).unwrap();
        assert_eq!(row.matches("not measured").count(), 4, "{row}");
    }
    assert!(page.contains("Bytes of a transaction on L1 are not measured"), "{page}");
    assert!(page.contains("Whether 1,000,000 transactions a second fit the pipeline is not measured"), "{page}");
}

#[test]
fn a_sum_without_one_of_its_parts_is_a_lower_bound() {
    let page = page(&report(&[("stage/admit", 100.0), ("stage/execute/transfer", 1_400.0)]), RATE);
    let row = page.lines().find(|line| line.starts_with("| execute |")).unwrap();
    assert!(row.contains(">= 1,500 | >= 1.50 | >= 2 | <= 500,000 |"), "{row}");
    assert!(row.contains("without stage/order, stage/seal"), "{row}");
}

#[test]
fn cores_are_rate_times_cost() {
    let costs = UnitCosts::of(&report(&[("stage/recover", 6_000.0)]));
    assert!((costs.recover().cores(1e6) - 6.0).abs() < 1e-9);
    assert_eq!(costs.recover().whole_cores(1e6), 8);
    assert!((costs.recover().rate_of(8) - 1e6).abs() < 1e-3);
}

#[test]
fn a_thread_that_is_too_slow_is_named_with_the_rate_that_fits() {
    let rows = [("stage/decode", 300.0), ("stage/dedup", 100.0), ("stage/recover", 6_000.0)];
    let stages = ["stage/admit", "stage/order", "stage/execute/transfer", "stage/seal"].map(|name| (name, 500.0));
    let page = page(&report(&[&rows[..], &stages[..]].concat()), RATE);
    assert!(page.contains("The pipeline does not carry 1,000,000 a second"), "{page}");
    assert!(page.contains("`execute` is one thread, and one core of it carries 375,000 a second"), "{page}");
    assert!(page.contains("takes 3 recover cores"), "{page}");
}

#[test]
fn l1_is_too_small_and_the_page_says_what_fits() {
    // 14 blobs of 130,044 bytes every 12 s are 151,718 bytes a second.
    let page = page(&report(&[("pack/best/bytes", 150.0)]), RATE);
    assert!(page.contains("L1 does not take 1,000,000 transactions a second, at any price"), "{page}");
    assert!(page.contains("1,011 a second fit into blobs at the target"), "{page}");
    assert!(page.contains("| blobs, every block full | 1,517 | 659.1 times that |"), "{page}");
    // 60 M gas at 40 a byte every 12 s are 125,000 bytes a second.
    assert!(page.contains("| calldata, every block full | 833 | 1,200.0 times that |"), "{page}");
    let few = super::page(&report(&[("pack/best/bytes", 150.0)]), 500);
    assert!(few.contains("The rate fits into blobs."), "{few}");
}

#[test]
fn what_fits_is_the_limits_divided_by_the_bytes() {
    let fit = fits(100.0);
    assert!((fit.blobs_target - 1_517.18).abs() < 0.01 && (fit.calldata_target - 625.0).abs() < 0.01, "{fit:?}");
}

#[test]
fn a_report_of_another_unit_is_refused() {
    let refused = |rows: &str, parts: &[&str]| {
        let why = Report::parse("r.json", &format!("{{\"machine\":{{}},\"rows\":{rows}}}")).unwrap_err().to_string();
        for part in parts.iter().chain(&["r.json"]) {
            assert!(why.contains(part), "{part:?} is not in {why}");
        }
    };
    refused(r#"[{"name":"stage/decode","value":1.0,"unit":"us/tx"}]"#, &["stage/decode", "us/tx"]);
    refused(r#"[{"name":"stage/decode","value":-1.0,"unit":"ns/tx"}]"#, &["stage/decode", "no cost"]);
    refused(
        r#"[{"name":"wire/tcp","value":1,"unit":"ns/tx"},{"name":"wire/tcp","value":2,"unit":"ns/tx"}]"#,
        &["twice"],
    );
    refused("7", &["no report"]);
}
