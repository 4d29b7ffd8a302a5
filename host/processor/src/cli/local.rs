//! `log-processor local`.

use std::io::Write;
use std::path::{Component as Part, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::arguments::LocalArguments;
use super::console::Console;
use super::environment::variable;
use super::exit::Exit;
use super::job_settings::job_settings;
use super::plan::{self, ComponentSources, GuestText};
use crate::intake::local::{OutputFolder, Run, WINDOW_BYTES};
use crate::object::{ObjectListing, list_objects};
use crate::pipeline::Stop;
use crate::plugin::Plans;
use crate::report::Report;
use crate::settings::{Machine, Settings};
use crate::telemetry::Metrics;
use crate::tenant::{FileDirectory, PluginRules};
use model::{AllowedSource, Limits};
use sandbox::Precompiled;

/// All problems with settings, files and folders, reported at once.
type Problems = Vec<String>;

/// Everything that was named, after all checks.
struct Inputs {
    settings: Settings,
    warnings: Vec<String>,
    tenants: FileDirectory,
    listing: ObjectListing,
    plans: Plans,
}

pub(super) fn run(arguments: &LocalArguments, default_guest: Precompiled<'_>) -> Exit {
    let started = Instant::now();
    let machine = Machine::detect(variable);
    super::arenas::limit(machine.cores);
    let inputs = match check_inputs(arguments, default_guest, machine) {
        Ok(inputs) => inputs,
        Err(problems) => return print_problems(&problems),
    };
    let output = match OutputFolder::open(&arguments.output) {
        Ok(output) => output,
        Err(error) => return print_problems(&[error.to_string()]),
    };
    let Inputs { settings, warnings, tenants, listing, plans } = inputs;
    let bytes = listing.objects.iter().filter_map(|object| std::fs::metadata(&object.path).ok()).map(|file| file.len());
    let console = Arc::new(Console::new(settings.log_level, arguments.guest_log, bytes.sum()));
    for warning in warnings.iter().chain(tenants.warnings()).chain(output.warnings()) {
        console.warn(warning);
    }
    for problem in &listing.problems {
        console.error(problem);
    }
    let run = Run {
        tenants,
        output,
        plans,
        memory: settings.memory.budget(),
        needs: settings.memory.needs,
        job_settings: job_settings(&settings, WINDOW_BYTES),
        max_concurrent_objects: settings.max_concurrent_objects,
        redeliver: arguments.again,
        stop: Stop::default(),
        listener: Arc::clone(&console) as _,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(machine.cores.min(4)).enable_all().build();
    let entries = match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::spawn(stop_on_signal(run.stop.clone(), Arc::clone(&console)));
            run.deliver(listing.objects).await
        }),
        Err(error) => {
            console.error(&format!("no threads can be started: {error}"));
            return Exit::Failed;
        }
    };
    console.finish();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = Report::new(entries, milliseconds);
    console.warn_some(&report.ignored());
    if let Err(error) = print(&report, arguments.report.as_deref()) {
        console.error(&error);
        return Exit::Failed;
    }
    if report.is_open() || !listing.problems.is_empty() {
        console.error(
            "some objects are left to do: see above; run again when it is mended, what is delivered is not repeated",
        );
        return Exit::Failed;
    }
    Exit::Done
}

fn print_problems(problems: &[String]) -> Exit {
    for problem in problems {
        let _ = writeln!(std::io::stderr(), "error: {problem}");
    }
    Exit::Configuration
}

/// Checks everything that was named.
fn check_inputs(
    arguments: &LocalArguments,
    default_guest: Precompiled<'_>,
    machine: Machine,
) -> Result<Inputs, Problems> {
    let mut problems = Problems::new();
    let settings = Settings::for_local(&variable, machine);
    let mut settings = settings.map_err(|error| problems.push(error.to_string())).ok();
    let limits = settings.as_ref().map_or(Limits::DEFAULT, |(settings, _)| settings.plugin.limits.clone());
    let rules = PluginRules::of_file(&arguments.tenants, limits);
    if let Some((settings, _)) = settings.as_mut().filter(|(settings, _)| settings.plugin.sources.is_empty()) {
        settings.plugin.sources.extend(rules.folder.clone().map(AllowedSource::Folder));
    }
    let tenants =
        FileDirectory::load(&arguments.tenants, &rules).map_err(|error| problems.push(error.to_string())).ok();
    let listing = list_input(&arguments.objects).map_err(|problem| problems.push(problem)).ok();
    let apart = check_disjoint(&arguments.objects, &arguments.output).map_err(|problem| problems.push(problem)).ok();
    let report = arguments.report.as_deref().map_or(Ok(()), check_report_path);
    let report = report.map_err(|problem| problems.push(problem)).ok();
    let guests = settings.as_ref().and_then(|(settings, _)| {
        let loaded =
            plan::load(&arguments.plugin, default_guest, settings, settings.max_concurrent_objects, GuestText::Shown);
        loaded.map_err(|problem| problems.push(problem)).ok()
    });
    match (settings, tenants, listing.zip(apart).zip(report), guests) {
        (Some((settings, mut warnings)), Some(tenants), Some(((listing, ()), ())), Some(mut guests)) => {
            warnings.extend(guests.warning.take());
            let plans = plan::plans(guests, &settings.plugin, ComponentSources::Local, machine, Metrics::new());
            Ok(Inputs { settings, warnings, tenants, listing, plans })
        }
        _ => Err(problems),
    }
}

fn list_input(folder: &Path) -> Result<ObjectListing, String> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(format!("--objects {shown}: there is no such folder; objects lie at {shown}/<bucket>/<key>"));
    }
    list_objects(folder).map_err(|error| format!("--objects {shown}: the folder can't be listed: {error}"))
}

/// Checks that the output isn't among the objects, nor the objects in the output.
fn check_disjoint(objects: &Path, output: &Path) -> Result<(), String> {
    let (Ok(inner), outer) = (objects.canonicalize(), resolve(output)) else { return Ok(()) };
    let (objects, output) = (objects.display(), output.display());
    if outer.starts_with(&inner) {
        return Err(format!(
            "--output {output} lies within --objects {objects}: what is delivered would be taken for objects; give a folder outside of it"
        ));
    }
    let own = |folder: &&&str| inner.starts_with(outer.join(folder));
    match OutputFolder::FOLDERS.iter().find(own) {
        Some(folder) => Err(format!(
            "--objects {objects} lies within {output}/{folder}, which --output {output} writes to; give another --output"
        )),
        None => Ok(()),
    }
}

/// Resolves links and `..` in a path whose end may not exist yet.
fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().fold(PathBuf::new(), |before, part| match part {
        Part::ParentDir => before.parent().map(Path::to_owned).unwrap_or(before),
        part => {
            let next = before.join(part);
            next.canonicalize().unwrap_or(next)
        }
    })
}

/// Checks before the work, not after it, that the report can be written.
fn check_report_path(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path != Path::new("-") && path.is_dir() {
        return Err(format!("--report {shown}: this is a folder; name a file in it"));
    }
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(format!("--report {shown}: there is no folder {}; make it first", folder.display())),
        None => Ok(()),
    }
}

/// Stops on signals: the first Ctrl-C (or SIGTERM) lets running deliveries end at their next
/// chunk, the second ends the process.
async fn stop_on_signal(stop: Stop, console: Arc<Console>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let mut either = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    either().await;
    stop.request();
    console.warn("stopping: what is at work ends cleanly; once more to end at once");
    either().await;
    std::process::exit(Exit::Failed as i32);
}

/// Renders the table and the sentences about components.
fn render(report: &Report) -> Vec<u8> {
    std::iter::once(report.table()).chain(report.components()).collect::<Vec<_>>().join("\n").into_bytes()
}

/// Writes the table to standard output, or the report in its place.
fn print(report: &Report, path: Option<&Path>) -> Result<(), String> {
    let json = || serde_json::to_vec_pretty(report).map_err(|error| error.to_string());
    let mut stdout = std::io::stdout().lock();
    let mut show = |bytes: &[u8]| {
        let written = stdout.write_all(bytes).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
        written.map_err(|error| format!("can't write to standard output: {error}"))
    };
    match path {
        Some(path) if path == Path::new("-") => show(&json()?),
        Some(path) => {
            let written =
                std::fs::write(path, json()?).map_err(|error| format!("--report {}: {error}", path.display()));
            show(&render(report)).and(written)
        }
        None => show(&render(report)),
    }
}
