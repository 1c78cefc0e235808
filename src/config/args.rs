//! The command line as it is typed. Nobody downstream sees these: `resolve` makes each room's own
//! settings of them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

use crate::release::finding::waiver::Justification;
use crate::release::{BackupId, Digest, Person, ReleaseId, Slot, StageId};

/// A release cockpit in the terminal: follow, judge, switch and roll back a release.
///
/// Without a command it opens the cockpit of the release that is running, or lists the releases.
#[derive(Debug, Parser)]
#[command(name = "gonogo", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Sub>,
    #[command(flatten)]
    pub look: Look,
}

/// How the cockpit looks.
#[derive(Clone, Debug, ClapArgs)]
pub struct Look {
    /// A theme (dark, light, high-contrast, colour-blind, mono), or the path of a theme file
    #[arg(long, global = true, value_name = "THEME")]
    pub theme: Option<String>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
    /// Draw with ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Leave the mouse to the terminal, to select text; the key m changes it
    #[arg(long, global = true)]
    pub no_mouse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Fly a release against an embedded simulated world; nothing needs to be installed
    Rehearse(Rehearse),
    /// Start a release of the repository you stand in
    Run(Run),
    /// Join a running release: watch, approve, take over
    Attach(Attach),
    /// Vote go at the open gate
    Approve(Say),
    /// Vote no-go at the open gate; it ends the release
    Reject(Say),
    /// Say "not now" at the open gate; it stays open
    Defer(Say),
    /// Try again what failed or is in doubt
    Retry(Which),
    /// Let findings not count until a day, with a reason; what they stopped is judged again
    Waive(Waive),
    /// Judge a running release by findings gates that changed since it started
    ///
    /// Reads the policy again from where `gonogo run` takes it: the pinned file, this machine's
    /// policy.yaml, the revision that serves now; the revision under release still only tightens
    /// it. What can still be judged is judged again, and an open gate asks everybody anew. Only
    /// what stands under `findings:` may have changed.
    Policy(PolicyArgs),
    /// Go on although something failed or is unknown; needs a reason
    Override(Reason),
    /// End the release before any switch
    Abort(Say),
    /// Move the traffic to a slot
    Switch(Switch),
    /// Move the traffic back to the slot that served before
    Rollback(Say),
    /// Replace the database by a backup of this release, aside first
    Restore(Restore),
    /// List the releases on this machine
    Releases,
    /// Show one release: stages, gate, findings, traffic
    Show(Which),
    /// Show everything that happened, a line each
    Timeline(Timeline),
    /// Play a release on the screens again: pause, speed, from decision to decision
    Replay(Replay),
    /// Report each control of a release with the records that prove it
    Report(ReportArgs),
    /// Check a journal: chain, checksums, invariants
    Verify(Which),
    /// Read reports of scanners and tests, outside of any release
    Findings(Findings),
    /// Print the JSON Schema of a configuration file
    Schema(Schema),
    /// Print the completion script of a shell
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Repair a terminal that a killed cockpit left behind
    Reset,
    /// The engine of a release, in a process of its own
    #[command(hide = true)]
    Engine(Engine),
}

#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "flags are bools")]
pub struct Rehearse {
    /// The scenario: a shipped name, or a file; `--list` shows them
    pub scenario: Option<String>,
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
    /// Let a scripted operator fly it on simulated time, and print plain lines
    #[arg(long)]
    pub auto: bool,
    /// With --auto: print the journal's records, one JSON document a line
    #[arg(long, requires = "auto")]
    pub json: bool,
    /// Fly it in plain lines, with typed words instead of a screen
    #[arg(long)]
    pub plain: bool,
    /// How many times faster than real time it runs; 0 holds the world still
    #[arg(long, default_value_t = 30.0, value_name = "N")]
    pub speed: f64,
    /// Let the scripted operator fly it to a moment and take over there: a stage, gate-open,
    /// awaits-switch, switched, held or ended, and seconds after it: switched+40
    #[arg(long, value_name = "MOMENT", conflicts_with = "auto")]
    pub skip_to: Option<String>,
    /// The name you act under; otherwise your login
    #[arg(long = "as", value_name = "NAME")]
    pub person: Option<Person>,
    /// The dice; the scenario has its own
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// A folder of further scenarios
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "flags are bools")]
pub struct Run {
    /// The plan; otherwise the repository's config/pipeline.yaml
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// The branch whose newest commit is released; otherwise the one checked out
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// The first stage; earlier ones count only by evidence of the same revision
    #[arg(long, value_name = "STAGE")]
    pub from: Option<StageId>,
    /// The last stage
    #[arg(long, value_name = "STAGE")]
    pub until: Option<StageId>,
    /// The environment that is locked while the release runs
    #[arg(long, default_value = "production", value_name = "NAME")]
    pub environment: String,
    /// Where another release has the environment: wait in line, first come first
    #[arg(long)]
    pub queue: bool,
    /// Print the journal's records, one JSON document a line
    #[arg(long)]
    pub json: bool,
    /// Plain lines and typed words instead of a screen; lines only when nobody can type
    #[arg(long)]
    pub plain: bool,
    /// Start it and return at once
    #[arg(long)]
    pub detach: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Attach {
    /// The release; otherwise the one that is running
    pub release: Option<ReleaseId>,
    /// Plain lines and typed words instead of a screen; lines only when nobody can type
    #[arg(long)]
    pub plain: bool,
    /// Print the journal's records, one JSON document a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Which {
    /// The release; otherwise the newest
    pub release: Option<ReleaseId>,
}

#[derive(Debug, ClapArgs)]
pub struct Waive {
    /// The release; otherwise the one that is running
    pub release: Option<ReleaseId>,
    /// The tool's name for what it found; * stands for any characters
    #[arg(long, value_name = "RULE")]
    #[arg(required_unless_present_any = ["fingerprint", "location", "package"])]
    pub rule: Option<String>,
    /// Exactly one finding, as the findings screen names it
    #[arg(long, value_name = "SHA256")]
    pub fingerprint: Option<Digest>,
    /// Where it is, with or without the line; * stands for any characters
    #[arg(long, value_name = "PLACE")]
    pub location: Option<String>,
    /// The package's name or package URL; * stands for any characters
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// Only what this tool found
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<String>,
    /// Why it may stay; it is recorded
    #[arg(long, short, value_name = "TEXT")]
    pub reason: String,
    /// That it does no harm, in OpenVEX's word; without it the finding is lived with
    ///
    /// One of `component_not_present`, `vulnerable_code_not_present`,
    /// `vulnerable_code_not_in_execute_path`, `vulnerable_code_cannot_be_controlled_by_adversary`,
    /// `inline_mitigations_already_exist`.
    #[arg(long, value_name = "WORD", value_parser = justification)]
    pub justification: Option<Justification>,
    /// Who answers for it
    #[arg(long, value_name = "PERSON")]
    pub owner: Person,
    /// The last day on which it holds
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: Date,
}

fn justification(word: &str) -> Result<Justification, String> {
    let found = Justification::ALL.into_iter().find(|one| one.key() == word);
    found.ok_or_else(|| {
        let words: Vec<&str> = Justification::ALL.into_iter().map(Justification::key).collect();
        format!("OpenVEX knows {}", words.join(", "))
    })
}

#[derive(Debug, ClapArgs)]
pub struct PolicyArgs {
    /// The release; otherwise the one that is running
    pub release: Option<ReleaseId>,
    /// A file that stands in for this machine's own policy.yaml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Why it is changed; it is recorded
    #[arg(long, short, value_name = "TEXT")]
    pub comment: String,
}

#[derive(Debug, ClapArgs)]
pub struct Say {
    /// The release; otherwise the one that is running
    pub release: Option<ReleaseId>,
    /// What the others should know
    #[arg(long, short, default_value = "", value_name = "TEXT")]
    pub comment: String,
}

#[derive(Debug, ClapArgs)]
pub struct Reason {
    /// The release; otherwise the one that is running
    pub release: Option<ReleaseId>,
    /// Why it is right to go on
    #[arg(long, short, value_name = "TEXT")]
    pub comment: String,
}

#[derive(Debug, ClapArgs)]
pub struct Switch {
    /// The slot that is to serve: blue or green
    pub slot: Slot,
    /// The release; otherwise the one that is running
    pub release: Option<ReleaseId>,
}

#[derive(Debug, ClapArgs)]
pub struct Restore {
    /// The backup, as `gonogo show` lists it
    #[arg(required_unless_present = "undo")]
    pub backup: Option<BackupId>,
    /// The release; otherwise the one that is running
    #[arg(long)]
    pub release: Option<ReleaseId>,
    /// Swap back to the database as it was before the restore
    #[arg(long, conflicts_with = "backup")]
    pub undo: bool,
    /// The name of the database, typed as confirmation
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Timeline {
    /// The release; otherwise the newest
    pub release: Option<ReleaseId>,
    /// A post-mortem in Markdown: summary, impact, timeline, who decided, follow-ups
    #[arg(long)]
    pub markdown: bool,
    /// The journal's records, one JSON document a line
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Replay {
    /// The release; otherwise the newest
    pub release: Option<ReleaseId>,
    /// How many times as fast as it was
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    pub speed: f64,
    /// Tell it in plain lines, at once
    #[arg(long)]
    pub plain: bool,
}

#[derive(Debug, ClapArgs)]
pub struct ReportArgs {
    /// The release; otherwise the newest
    pub release: Option<ReleaseId>,
    /// As one HTML page that loads nothing, instead of Markdown
    #[arg(long)]
    pub html: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Findings {
    /// Reports of any of the supported tools, or a release for those it has kept; which tool it is,
    /// their beginning tells
    #[arg(required = true, value_name = "FILE|RELEASE")]
    pub files: Vec<PathBuf>,
    /// The format of all of them, as a plan names it: trivy-json, sarif, junit …
    #[arg(long = "as", value_name = "FORMAT")]
    pub read_as: Option<String>,
    /// A release, by its id or the start of it, or a report file: what is not in it is new
    ///
    /// May be given several times. What a tool found there is called fixed only if a report of the
    /// same tool is given that has looked again.
    #[arg(long, value_name = "RELEASE|FILE")]
    pub against: Vec<String>,
    /// End with code 3 if anything is as bad, or was not scanned
    ///
    /// With --against only what is new counts, unless --all is given.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Limit>,
    /// Judge and list existing findings too, not only new ones
    #[arg(long, requires = "against")]
    pub all: bool,
    /// An OpenVEX or CycloneDX document that says which findings do not matter
    ///
    /// May be given several times. What is stated as not affected or fixed is counted and listed as
    /// set aside. A statement counts where its package is the finding's, in the stated version.
    #[arg(long, value_name = "FILE")]
    pub vex: Vec<PathBuf>,
    /// A policy file, or a release, whose waivers set findings aside
    ///
    /// May be given several times. Those of a release are its policy's and what people gave it.
    #[arg(long, value_name = "POLICY|RELEASE")]
    pub waivers: Vec<String>,
    /// How to print what was read; openvex prints what was set aside
    ///
    /// OpenVEX of a release's waivers, for the tools of others:
    /// `gonogo findings r-1123.1 --waivers r-1123.1 --format openvex`. A waiver with a
    /// justification is written as `not_affected`, any other as affected with what is done about
    /// it; owner and last day stand in `status_notes`, and --vex reads them back.
    #[arg(long, value_enum, default_value_t = Print::Table)]
    pub format: Print,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Limit {
    Critical,
    High,
    Medium,
    Low,
    /// Findings that no severity is known of count too
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Print {
    Table,
    Json,
    Sarif,
    Markdown,
    Openvex,
}

#[derive(Debug, ClapArgs)]
pub struct Schema {
    /// gonogo, keys, pipeline, policy, scenario or theme; otherwise all names are listed
    pub name: Option<String>,
    /// Write all schemas into this folder
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub struct Engine {
    /// The release's folder
    pub folder: PathBuf,
}
