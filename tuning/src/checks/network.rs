//! Socket buffers.

use super::{Change, Finding, Look, Remedy};
use crate::machine::Absent;

const UDP_DEFAULTS: [&str; 2] = ["/proc/sys/net/core/rmem_default", "/proc/sys/net/core/wmem_default"];
const TCP_LIMITS: [&str; 2] = ["/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem"];
/// What the kernel counts for one small datagram, in bytes: its own record and the buffer's slack are most of it.
const DATAGRAM_BYTES: u64 = 768;
/// Bytes above which a buffer only hides that the node is too slow.
const UDP_BYTES_MAX: u64 = 32 << 20;
/// Bytes that a TCP connection may grow to: a peer 50 ms away at 1 Gbit/s has 6 MB on the way.
const TCP_BYTES_MIN: u64 = 6 << 20;

/// Datagrams that may wait in the kernel.
pub(super) fn udp_buffers(look: &Look<'_>) -> Finding {
    let door = look.profile.door_depth as u64;
    let least = (door * DATAGRAM_BYTES).min(UDP_BYTES_MAX);
    let finding = Finding::of(
        "udp-buffers",
        format!("rmem_default and wmem_default of {least} or more: {door} datagrams, as many as wait at the door"),
        "sockets keep the kernel's default; 212,992 bytes are some 280 datagrams, and the next ones of a burst are lost and sent again",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let mut changes = Vec::new();
    let mut found = Vec::new();
    for path in UDP_DEFAULTS {
        let value = match look.root.read(path).map(|text| text.parse::<u64>().map_err(|_| text)) {
            Ok(Ok(value)) => value,
            Ok(Err(text)) => return finding.unknown(format!("{path} says {text:?}")),
            Err(Absent::Missing) => continue,
            Err(why) => return finding.unknown(format!("{path} {why}")),
        };
        found.push(value.to_string());
        if value < least {
            changes.push(Change::words(path, least.to_string()));
        }
    }
    finish(finding, &found, changes)
}

/// Bytes of a TCP connection that may wait in the kernel.
pub(super) fn tcp_buffers(look: &Look<'_>) -> Finding {
    let finding = Finding::of(
        "tcp-buffers",
        format!("the largest of tcp_rmem and tcp_wmem {TCP_BYTES_MIN} or more"),
        "a connection moves at most its buffer in each round trip",
    );
    if look.spinning.is_empty() {
        return finding.not_asked();
    }
    let mut changes = Vec::new();
    let mut found = Vec::new();
    for path in TCP_LIMITS {
        let text = match look.root.read(path) {
            Ok(text) => text,
            Err(Absent::Missing) => continue,
            Err(why) => return finding.unknown(format!("{path} {why}")),
        };
        let values: Vec<u64> = text.split_whitespace().filter_map(|value| value.parse().ok()).collect();
        let [least, usual, most] = values[..] else { return finding.unknown(format!("{path} says {text:?}")) };
        found.push(most.to_string());
        if most < TCP_BYTES_MIN {
            changes.push(Change::words(path, format!("{least} {usual} {TCP_BYTES_MIN}")));
        }
    }
    finish(finding, &found, changes)
}

fn finish(finding: Finding, found: &[String], changes: Vec<Change>) -> Finding {
    if found.is_empty() {
        return finding.unknown("the kernel does not tell");
    }
    let found = found.join(" and ");
    match changes.is_empty() {
        true => finding.well(found),
        false => finding.found(found, Remedy::write(changes)),
    }
}
