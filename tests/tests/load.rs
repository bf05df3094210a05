//! `horae load` as users run it: against a devnet's nodes by every way in, against anvil, which knows no method of Horae's, from a file,
//! and into its own sink.

use std::{fs, path::Path};

use horae_tests::{
    Devnet,
    node::{command, loopback, says},
    step,
};
use serde_json::Value;

/// The last of anvil's own accounts, which the devnet leaves alone on L1.
const L1_KEY: &str = "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6";
/// How many accounts send: more than the funding contract pays at a time would be slow here.
const ACCOUNTS: &str = "40";
/// How many transactions each run has.
const COUNT: u64 = 600;

#[test]
fn a_load_is_signed_saved_sent_and_measured_wherever_it_goes() {
    let devnet = Devnet::start(&[]);
    let file = |name: &str| devnet.scratch().join(name).display().to_string();
    let rpc = format!("http://{}", loopback(devnet.nodes[1].ports.rpc));
    let (tcp, quic) =
        (loopback(devnet.nodes[0].ports.tcp).to_string(), loopback(devnet.nodes[2].ports.quic).to_string());

    step("a mix with hot spots, over JSON-RPC, with its ceiling and reports");
    let (report, html) = (file("report.json"), file("report.html"));
    let mix = ["--mix", "transfers=50,erc20=30,contract=20", "--skew", "80/20", "--ceiling"];
    let run = load(&rpc, &[&mix[..], &["--report", &report, "--html", &html]].concat());
    let by_kind = &run["committed_by_kind"];
    assert_eq!(
        (&by_kind["transfers"], &by_kind["erc20"], &by_kind["contract"]),
        (&300.into(), &180.into(), &120.into())
    );
    assert_eq!(run["reverted"], 0, "{run}");
    assert!(run["receipts"].as_u64() > Some(100), "{run}");
    assert!(run["ceiling"]["transactions_per_second"].as_f64() > Some(0.0), "{run}");
    for name in ["accepted", "ordered", "certified", "committed"] {
        assert!(run["latency_ms"][name]["max"].as_f64() > Some(0.0), "{name}: {run}");
    }
    assert!(run["looked_every_ms"].is_null(), "the node was asked instead of listened to: {run}");
    reports_hold(Path::new(&report), Path::new(&html));

    step("saved, then sent over TCP and not a second time");
    let plan = file("plan");
    let saved = says(&[&sized(&rpc)[..], &["--save", &plan, "--json"]].concat(), &[]);
    assert_eq!((&saved["transactions"], &saved["about"]["chain_id"]), (&COUNT.into(), &devnet.chain_id().into()));
    let from = ["load", "--rpc", &rpc, "--rate", "1000", "--from", &plan];
    whole(&says(&[&from[..], &["--tcp", &tcp, "--json"]].concat(), &[]));
    let (ok, said, why) = command(&from, &[]);
    assert!(!ok && why.contains("do not fit this chain any more") && why.contains("40 of 40 accounts"), "{said}{why}");

    step("as fast as committed, over QUIC");
    let run = load(&rpc, &["--quic", &quic, "--rate", "0", "--window", "200", "--poll", "3"]);
    assert!(run["looked_every_ms"]["p50"].as_f64() >= Some(3.0), "{run}");
    assert_eq!((&run["window"], &run["latency_from"]), (&200.into(), &"sent".into()), "{run}");

    step("a chain without Horae's methods");
    let run = load(&devnet.l1_url(), &["--key", L1_KEY, "--mix", "transfers=1,erc20=1"]);
    assert!(run["looked_every_ms"]["p50"].as_f64() >= Some(5.0), "{run}");
    assert!(run["client"].as_str().is_some_and(|client| client.contains("anvil")), "{run}");
    assert!(run["latency_ms"].get("ordered").is_none() && run["reverted"] == 0, "{run}");
    let (ok, said, why) = command(&["load", "--rpc", &devnet.l1_url(), "--from", &plan], &[]);
    assert!(!ok && why.contains("was signed for chain"), "{said}{why}");

    step("nowhere: the ceilings");
    let ceilings = says(&["load", "--ceiling", "--accounts", ACCOUNTS, "--transactions", "600", "--json"], &[]);
    let all = ceilings["ceilings"].as_array().expect("a list");
    assert_eq!(all.iter().map(|c| c["transactions"].as_u64()).collect::<Vec<_>>(), [Some(COUNT); 3], "{ceilings}");
}

fn sized(rpc: &str) -> Vec<&str> {
    vec!["load", "--rpc", rpc, "--accounts", ACCOUNTS, "--transactions", "600"]
}

/// A run that leaves nothing behind. Rates given later win.
fn load(rpc: &str, options: &[&str]) -> Value {
    let run = says(&[&sized(rpc)[..], options, &["--json"]].concat(), &[]);
    whole(&run);
    run
}

fn whole(run: &Value) {
    for counted in ["transactions", "sent", "accepted", "committed"] {
        assert_eq!(run[counted], COUNT, "{counted}: {run}");
    }
    assert_eq!((&run["refused"], &run["end"]), (&0.into(), &"done".into()), "{run}");
    assert!(run["transactions_per_second"].as_f64() > Some(0.0) && run["blocks"].as_u64() > Some(0), "{run}");
}

fn reports_hold(report: &Path, html: &Path) {
    let report: Value = serde_json::from_str(&fs::read_to_string(report).expect("a report")).expect("JSON");
    let curve = report["curves"].as_array().and_then(|all| all.iter().find(|curve| curve["name"] == "committed"));
    let points = curve.and_then(|curve| curve["points"].as_array()).expect("a curve");
    let end = points.last().expect("points");
    assert_eq!((end[0].as_f64(), &end[1]), (Some(1.0), &report["latency_ms"]["committed"]["max"]), "{report}");
    let series = report["series"].as_array().expect("a series");
    assert_eq!(series.last().expect("points")["committed"], COUNT, "{report}");
    let page = fs::read_to_string(html).expect("a page");
    assert!(page.matches("<polyline").count() == 3 + 4 && page.ends_with("</html>\n"), "{page}");
    assert!(!page.contains("http://www") && !page.contains("src=") && !page.contains("NaN"), "{page}");
}
