//! Runs the groups in order, each in rounds over its scenes, and hands the sheet to whoever shows it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use eyre::{Result, WrapErr};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Options;
use crate::report::Report;
use crate::scenes::{GROUPS, Group};
use crate::sheet::Sheet;
use crate::{baseline, machine, page};

/// Measures what is wanted, writes the report and the page, prints the table. Exit code 1 if a group could not be measured to its end.
///
/// # Errors
/// If the files cannot be written.
pub fn run(options: &Options) -> Result<ExitCode> {
    let began = Instant::now();
    let mut machine = machine::facts(options.rounds, &options.conditions);
    let mut sheet = Sheet::default();
    let mut whole = true;
    for group in GROUPS.iter().filter(|group| group.is_wanted(options)) {
        whole &= measure(group, options, &mut sheet);
        // After each group, so that a run which is broken off leaves what it has.
        machine.load_at_end = machine::load();
        machine.took_s = began.elapsed().as_secs();
        publish(&Report::of(&machine, &sheet, options), &sheet, options)?;
    }
    let report = Report::of(&machine, &sheet, options);
    if options.json {
        println!("{}", json(&report)?);
    } else {
        let out = out(options);
        print!("{}", report.table());
        println!("\n{} and {}", out.join("report.json").display(), out.join("index.html").display());
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes the report and the page, and `BASELINE.md` if asked for.
fn publish(report: &Report, sheet: &Sheet, options: &Options) -> Result<()> {
    let out = out(options);
    std::fs::create_dir_all(&out).wrap_err_with(|| format!("cannot make {}", out.display()))?;
    let json = json(report)? + "\n";
    write(&out.join("report.json"), &json)?;
    write(&out.join("index.html"), &page::page(report, sheet))?;
    if let Some(folder) = &options.baseline {
        write(&folder.join("baseline.json"), &json)?;
        write(&folder.join("BASELINE.md"), &baseline::text(report))?;
    }
    Ok(())
}

fn json(report: &Report) -> Result<String> {
    serde_json::to_string_pretty(report).wrap_err("the report as JSON")
}

/// Whether the group came to its end.
fn measure(group: &Group, options: &Options, sheet: &mut Sheet) -> bool {
    let rounds = options.rounds.min(group.rounds_max);
    let bar = ProgressBar::new(u64::from(rounds) + 1);
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {msg:24} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.set_message(format!("{}: setting up", group.title));
    bar.tick();
    let began = Instant::now();
    let scene = (group.open)(options);
    bar.inc(1);
    bar.set_message(group.title);
    let measured = scene.and_then(|mut scene| {
        (0..rounds).try_for_each(|_| {
            scene.round(sheet)?;
            bar.inc(1);
            Ok(())
        })
    });
    bar.finish_and_clear();
    match &measured {
        Ok(()) => eprintln!("{:24} {rounds} rounds, {:.0} s", group.title, began.elapsed().as_secs_f64()),
        Err(why) => {
            eprintln!("{:24} not measured: {why:#}", group.title);
            sheet.miss(group.title, format!("{why:#}"));
        }
    }
    measured.is_ok()
}

/// Where the files go: `target/bench`, of the target folder in which this program lies, unless told.
fn out(options: &Options) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let target = own.parent().and_then(Path::parent).unwrap_or_else(|| Path::new("target"));
    options.out.clone().unwrap_or_else(|| target.join("bench"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).wrap_err_with(|| format!("cannot write {}", path.display()))
}
