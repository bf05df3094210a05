//! What a decision and an idle control plane cost: `cargo test --release -- --ignored --nocapture measure`.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::common::{Net, busy, by};

/// Processor time of this process so far, in ticks of 10 ms (proc(5): utime, stime).
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {:?}, p90 {:?}, p99 {:?}, most {:?} of {}", at(50), at(90), at(99), at(100), times.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure() {
    let net = Net::four();
    let nodes = net.start_all(by).await;
    for node in &nodes {
        node.until_height(1).await;
    }

    let (ticks, start) = (cpu_ticks(), Instant::now());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let percent = (cpu_ticks() - ticks) as f64 / start.elapsed().as_secs_f64();
    println!("four idle engines: {percent:.2} % of a core together; decided meanwhile: {}", nodes[0].height() - 1);

    let mut times = Vec::new();
    for wake in 0..300 {
        let height = nodes[0].height();
        let begin = Instant::now();
        nodes[wake % 4].handle.wake();
        nodes[wake % 4].until_height(height + 1).await;
        times.push(begin.elapsed());
        for node in &nodes {
            node.until_height(height + 1).await;
        }
    }
    println!("from a wake to the decision at the same node: {}", percentiles(times));
    let round_0 = |value: &[u8]| String::from_utf8_lossy(value).contains("round 0");
    println!("later rounds: {}", nodes[0].values().iter().skip(1).filter(|(_, value)| !round_0(value)).count());
    for node in nodes {
        node.stop().await;
    }

    let net = Net::four();
    let (ticks, start) = (cpu_ticks(), Instant::now());
    let nodes = net.start_all(|n, app| busy(by(n, app))).await;
    for node in &nodes {
        node.until_height(1000).await;
    }
    let spent = (cpu_ticks() - ticks) as f64 * 10.0 / 4000.0;
    let decided = nodes[0].app.seen.borrow().decided.clone();
    println!("one after another: {}", percentiles(decided.windows(2).map(|pair| pair[1].2 - pair[0].2).collect()));
    println!(
        "{:.0} heights a second, {spent:.2} ms of a core a height and node",
        1000.0 / start.elapsed().as_secs_f64()
    );
    for node in nodes {
        node.stop().await;
    }
}
