//! The page: what a rate takes, as text that a person reads and a test compares.

use std::fmt::Write;

use super::l1::{
    BLOB_BYTES, BLOB_FEE_FLOOR_DIVISOR, BLOB_GAS, BLOB_TARGET, BLOBS_MAX, BLOCK_GAS, BLOCK_S, CALLDATA_FLOOR_GAS,
    CALLDATA_GAS, TRANSACTION_GAS, USABLE_BLOB_BYTES, blobs_per_s, fits,
};
use super::{BUSY_SHARE, Report, UnitCosts, WorkerCost};

/// What stands for a figure that nobody has measured.
const UNKNOWN: &str = "not measured";
const SECONDS_A_DAY: f64 = 86_400.0;
/// Wei fees in the table of what L1 costs, in gwei.
const FEES_GWEI: [f64; 4] = [0.01, 0.1, 1.0, 10.0];
/// Peers that the table of the network is worked out for.
const PEERS: [u32; 3] = [3, 21, 99];

/// The page for `rate` transactions a second.
#[must_use]
pub fn page(report: &Report, rate: u32) -> String {
    let costs = UnitCosts::of(report);
    let rate_text = grouped(f64::from(rate));
    let mut page = String::new();
    let mut put = |text: String| page.push_str(&text);
    put(format!(
        "# What {rate_text} transactions a second take, on paper\n\n\
         Made by `horae tune capacity --report target/bench/report.json --rate {rate} --write tuning` from `tuning/capacity-input.json` \
         (the rows of a report of `make bench` that are used here). A test holds the page to that file: do not edit it by hand. What has not been \
         measured is shown as \"{UNKNOWN}\", and sums without it are lower bounds, marked `>=`. Unit costs are of \
         the machine below; on another one only their ratios hold.\n\n"
    ));
    put(machine(report));
    put(cores(&costs, rate));
    put(disk_and_network(report, rate));
    put(l1(report, rate));
    page
}

fn machine(report: &Report) -> String {
    let mut text = "## The machine\n\n".to_owned();
    for (name, value) in &report.machine {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push('\n');
    text
}

fn cores(costs: &UnitCosts, rate: u32) -> String {
    let mut text = format!(
        "## Cores\n\nNanoseconds of one core for a transaction, the cores' worth of time that the rate takes, whole cores at {:.0} % busy, \
         and the rate that one core carries so. The stages of a worker run back to back on its thread.\n\n\
         | worker | stages | ns/tx | cores' worth | whole cores | tx/s a core | more threads help |\n|---|---|---|---|---|---|---|\n",
        BUSY_SHARE * 100.0
    );
    for worker in costs.pipeline.iter().chain(&costs.ways_in).chain(&costs.beside) {
        text.push_str(&worker_row(worker, rate));
    }
    text.push_str("\nA transaction comes in one of the three ways (framed TCP, QUIC, JSON-RPC).\n\n");
    text.push_str(&verdict(costs, rate));
    text
}

fn worker_row(worker: &WorkerCost, rate: u32) -> String {
    let stages = worker.rows.iter().map(|row| row.rsplit_once("stage/").map_or(*row, |(_, stage)| stage));
    let stages = stages.collect::<Vec<_>>().join(", ");
    let several = if worker.several { "yes" } else { "no: one thread" };
    if !worker.is_partly_measured() {
        return format!("| {} | {stages} | {UNKNOWN} | {UNKNOWN} | {UNKNOWN} | {UNKNOWN} | {several} |\n", worker.name);
    }
    let (least, most) = if worker.is_measured() { ("", "") } else { (">= ", "<= ") };
    let without = match worker.missing.is_empty() {
        true => String::new(),
        false => format!(" (without {})", worker.missing.join(", ")),
    };
    let rate = f64::from(rate);
    format!(
        "| {} | {stages}{without} | {least}{} | {least}{:.2} | {least}{} | {most}{} | {several} |\n",
        worker.name,
        grouped(worker.ns),
        worker.cores(rate),
        worker.whole_cores(rate),
        grouped(worker.rate_of(1)),
    )
}

/// Says whether the rate fits the pipeline, and which rate does.
fn verdict(costs: &UnitCosts, rate: u32) -> String {
    let single = costs.pipeline.iter().filter(|worker| !worker.several && worker.is_partly_measured());
    let Some(tightest) = single.min_by(|a, b| a.rate_of(1).total_cmp(&b.rate_of(1))) else {
        return format!(
            "**Whether {} transactions a second fit the pipeline is {UNKNOWN}.**\n\n",
            grouped(f64::from(rate))
        );
    };
    let unmeasured: Vec<_> = costs.pipeline.iter().flat_map(|worker| worker.missing.iter().copied()).collect();
    let carries = tightest.rate_of(1);
    let mut text = String::new();
    if carries < f64::from(rate) {
        let _ = write!(
            text,
            "**The pipeline does not carry {} a second on this machine's cores**: `{}` is one thread, and one core of it carries {} a second. \
             That rate takes {} recover cores; more cores of any kind do not raise it. ",
            grouped(f64::from(rate)),
            tightest.name,
            grouped(carries),
            if costs.recover().is_measured() {
                costs.recover().whole_cores(carries).to_string()
            } else {
                UNKNOWN.to_owned()
            },
        );
    } else {
        let _ = write!(
            text,
            "No worker of the pipeline that is one thread stands in the way by what was measured: the tightest, `{}`, carries {} a second on one core. ",
            tightest.name,
            grouped(carries)
        );
    }
    if !unmeasured.is_empty() {
        let _ = write!(text, "{} are {UNKNOWN}, so the rate that fits is lower than that.", unmeasured.join(", "));
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n\n");
    text
}

fn disk_and_network(report: &Report, rate: u32) -> String {
    let rate = f64::from(rate);
    let mut text = "## Disk and network\n\n| what | B/tx | at the rate |\n|---|---|---|\n".to_owned();
    let per_s = |bytes: f64| format!("{} MB/s", grouped_1(bytes * rate / 1e6));
    for (what, row) in [("journal (written once, in groups)", "journal/bytes"), ("store", "store/bytes")] {
        let _ = match report.value(row) {
            Some(bytes) => writeln!(
                text,
                "| {what} | {} | {}, {} TB a day |",
                grouped_1(bytes),
                per_s(bytes),
                grouped_1(bytes * rate * SECONDS_A_DAY / 1e12)
            ),
            None => writeln!(text, "| {what} | {UNKNOWN} | {UNKNOWN} |"),
        };
    }
    for peers in PEERS {
        let _ = match report.value("stream/bytes") {
            Some(bytes) => writeln!(
                text,
                "| blocks to {peers} peers | {} | {} Gbit/s out of the sequencer |",
                grouped_1(bytes * f64::from(peers)),
                grouped_1(bytes * f64::from(peers) * rate * 8.0 / 1e9)
            ),
            None => writeln!(text, "| blocks to {peers} peers | {UNKNOWN} | {UNKNOWN} |"),
        };
    }
    text.push('\n');
    text
}

fn l1(report: &Report, rate: u32) -> String {
    let mut text = format!(
        "## L1\n\nA block every {BLOCK_S:.0} s; blobs of {} bytes ({} usable in the OP Stack's coding), {BLOB_TARGET} a block at the target of their fee and {BLOBS_MAX} at most; {} gas a block, \
         {} a transaction; a byte of calldata {CALLDATA_GAS} gas, {CALLDATA_FLOOR_GAS} where data is most of the transaction, as in a batch. What fits is what L1 takes \
         if nobody else used it. Horae's `BatchInbox` takes calldata today.\n\n",
        grouped(BLOB_BYTES as f64),
        grouped(USABLE_BLOB_BYTES as f64),
        grouped(BLOCK_GAS as f64),
        grouped(TRANSACTION_GAS as f64),
    );
    let Some(bytes) = report.value("pack/best/bytes") else {
        let _ = writeln!(
            text,
            "Bytes of a transaction on L1 are {UNKNOWN} (row `pack/best/bytes`), and so is what {} a second would cost there. At B bytes each, {} / B \
             transactions a second fit into blobs at the target, {} / B at most; {} / B and {} / B into calldata.",
            grouped(f64::from(rate)),
            grouped(fits(1.0).blobs_target),
            grouped(fits(1.0).blobs_max),
            grouped(fits(1.0).calldata_target),
            grouped(fits(1.0).calldata_max),
        );
        return text;
    };
    let (fit, wanted) = (fits(bytes), f64::from(rate));
    let _ = writeln!(
        text,
        "Packed, a transaction is {} bytes: {} MB/s at this rate, {} blobs a second, {} a block.\n\n| way | fits, tx/s | this rate is |\n|---|---|---|",
        grouped_1(bytes),
        grouped_1(bytes * wanted / 1e6),
        grouped_1(blobs_per_s(bytes * wanted)),
        grouped(blobs_per_s(bytes * wanted) * BLOCK_S),
    );
    for (way, fits) in [
        ("blobs, at the target", fit.blobs_target),
        ("blobs, every block full", fit.blobs_max),
        ("calldata, half of the gas", fit.calldata_target),
        ("calldata, every block full", fit.calldata_max),
    ] {
        let _ = writeln!(text, "| {way} | {} | {} times that |", grouped(fits), grouped_1(wanted / fits));
    }
    let _ = match wanted > fit.blobs_max {
        true => writeln!(
            text,
            "\n**L1 does not take {} transactions a second, at any price**: {} a second fit into blobs at the target, {} if every block were full of \
             them. Beyond that, transactions have to have their data elsewhere, or be smaller: to fit at the target, {:.2} bytes each.",
            grouped(wanted),
            grouped(fit.blobs_target),
            grouped(fit.blobs_max),
            fits(1.0).blobs_target / wanted,
        ),
        false => writeln!(text, "\nThe rate fits into blobs."),
    };
    text.push_str(&costs_of_l1(bytes, fit.blobs_target.min(wanted)));
    text
}

/// What L1 costs at a rate that fits.
fn costs_of_l1(bytes: f64, rate: f64) -> String {
    let blob_gas = bytes / USABLE_BLOB_BYTES as f64 * BLOB_GAS as f64;
    let calldata_gas = bytes * CALLDATA_FLOOR_GAS as f64;
    let mut text = format!(
        "\nCost at {} a second, by the fee. Blob gas has a fee of its own, never below 1/{BLOB_FEE_FLOOR_DIVISOR} of that of gas (EIP-7918). A transaction takes {} \
         blob gas, or {} gas as calldata (all bytes counted as not zero).\n\n\
         | fee of the gas, gwei | blobs: ETH a million tx | blobs: ETH a day | calldata: ETH a million tx | calldata: ETH a day |\n|---|---|---|---|---|\n",
        grouped(rate),
        grouped_1(blob_gas),
        grouped(calldata_gas),
    );
    for fee in FEES_GWEI {
        let million = |gas: f64| gas * fee * 1e-9 * 1e6;
        let day = |gas: f64| gas * fee * 1e-9 * rate * SECONDS_A_DAY;
        let _ = writeln!(
            text,
            "| {fee} | {:.4} | {:.3} | {:.4} | {:.3} |",
            million(blob_gas),
            day(blob_gas),
            million(calldata_gas),
            day(calldata_gas)
        );
    }
    text
}

/// A whole number with commas.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with one digit behind the point, and commas.
fn grouped_1(value: f64) -> String {
    let text = format!("{value:.1}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    format!("{}.{fraction}", grouped(whole.parse().unwrap_or(value)))
}
