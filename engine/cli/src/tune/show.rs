//! What `horae tune` prints for people.

use horae_tuning::{
    Profile,
    change::{Applied, Outcome, PutBack, Reverted},
    checks::{self, Finding, State},
};

/// A mark behind the name of a profile that nobody has run on a machine of its size.
pub fn exercised(profile: &Profile) -> &'static str {
    if profile.exercised { "" } else { "   (on paper: not exercised on a machine of its size)" }
}

/// A check, with what it wants and why if that is not there.
pub fn finding(finding: &Finding) {
    let mark = match finding.state {
        State::Well => "ok     ",
        State::Costs => "COSTS  ",
        State::Unknown => "unknown",
        State::NotAsked => "-      ",
    };
    println!("{mark}  {:<16}  {}", finding.check, finding.found);
    if !finding.costs() {
        return;
    }
    println!("{:27}wants {}", "", finding.wants);
    println!("{:27}{}", "", finding.why);
    let remedy = &finding.remedy;
    if !remedy.changes.is_empty() {
        println!("{:27}horae tune apply writes {} value(s) for it", "", remedy.changes.len());
    }
    if !remedy.boot.is_empty() {
        println!("{:27}only the boot line can: {}", "", remedy.boot.join(" "));
    }
    if let Some(elsewhere) = &remedy.elsewhere {
        println!("{:27}{elsewhere}", "");
    }
}

/// What the boot line has to have.
pub fn boot_line(findings: &[Finding]) {
    let boot = checks::boot_line(findings);
    if !boot.is_empty() {
        println!("boot line  {}   (GRUB_CMDLINE_LINUX of /etc/default/grub, say; then restart)", boot.join(" "));
    }
}

/// The end.
pub fn verdict(findings: &[Finding]) {
    let costs = findings.iter().filter(|finding| finding.costs()).count();
    let unknown = findings.iter().filter(|finding| finding.state == State::Unknown).count();
    let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} cannot be told here") };
    match costs {
        0 => println!("all is well{unknown}"),
        _ => println!("{costs} of {} cost something{unknown}", findings.len()),
    }
}

/// A change.
pub fn applied(applied: &Applied) {
    let (path, value) = (&applied.change.path, &applied.change.value);
    match &applied.outcome {
        Outcome::Written { before } => println!("written  {path}  {before} -> {value}"),
        Outcome::Already => println!("already  {path}  {value}"),
        Outcome::Bent { found } => println!("BENT     {path}  {value} was written, the kernel made {found} of it"),
        Outcome::Refused { why } => println!("REFUSED  {path}  {value}: {why}"),
    }
    if let Some(foreign) = &applied.taken_over {
        println!("         somebody else had made {} of our {}: revert puts that back", foreign.found, foreign.written);
    }
}

/// What became of everything.
pub fn reverted(reverted: &Reverted, dry_run: bool) {
    let values = match reverted {
        Reverted::Nothing => return println!("nothing to put back: no apply, or it has been reverted"),
        Reverted::Restarted => {
            return println!("nothing to put back: the machine has been started anew since the apply, which undid it");
        }
        Reverted::Values { values } => values,
    };
    let restored = if dry_run { "would restore" } else { "restored" };
    for (path, became) in values {
        match became {
            PutBack::Restored { value } => println!("{restored}  {path}  {value}"),
            PutBack::AsBefore => println!("as before  {path}"),
            PutBack::Gone => println!("gone      {path}"),
            PutBack::Left(foreign) => println!(
                "LEFT      {path}  somebody else has made {} of our {} (--force puts back what was there before both)",
                foreign.found, foreign.written
            ),
            PutBack::Refused { why } => println!("REFUSED   {path}  {why}"),
        }
    }
}
