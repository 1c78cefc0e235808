//! The form that writes a waiver: what it covers, why, who answers for it, until when; and what
//! that comes to, before it is asked.

use crossterm::event::KeyCode;

use super::form::{Line, keys, text};
use crate::release::finding::waiver::Waiver;
use crate::release::{Ask, Clean, Finding, Person};
use crate::report::words::plural;
use crate::tui::pen::Strip;
use crate::tui::theme::Role;

/// How wide a waiver is cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Scope {
    /// Exactly this finding.
    Finding,
    /// Its rule in the file, resource or package that it is in.
    Place,
    /// Its rule, wherever this tool finds it.
    Rule,
}

/// What can be typed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Field {
    Scope,
    Reason,
    Owner,
    Until,
}

const FIELDS: [Field; 4] = [Field::Scope, Field::Reason, Field::Owner, Field::Until];
const SCOPES: [Scope; 3] = [Scope::Finding, Scope::Place, Scope::Rule];

/// A waiver on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct WaiveForm {
    finding: Finding,
    scope: Scope,
    field: Field,
    reason: String,
    owner: String,
    until: String,
    /// How many findings of this release it covers; counted when the scope changes.
    pub(super) covers: usize,
}

impl WaiveForm {
    pub(in crate::tui) fn new(finding: Finding, owner: String, until: String) -> Self {
        let (scope, field) = (Scope::Finding, Field::Reason);
        Self { finding, scope, field, reason: String::new(), owner, until, covers: 1 }
    }

    pub(super) fn input(&mut self) -> Option<&mut String> {
        match self.field {
            Field::Scope => None,
            Field::Reason => Some(&mut self.reason),
            Field::Owner => Some(&mut self.owner),
            Field::Until => Some(&mut self.until),
        }
    }

    /// Keys that move about in the form; whether the scope was changed.
    pub(super) fn on_key(&mut self, code: KeyCode) -> bool {
        let place = FIELDS.iter().position(|field| *field == self.field).unwrap_or(0);
        let by = match code {
            KeyCode::Tab | KeyCode::Down => 1,
            KeyCode::BackTab | KeyCode::Up => FIELDS.len() - 1,
            KeyCode::Char(' ') | KeyCode::Right | KeyCode::Left if self.field == Field::Scope => {
                let by = if code == KeyCode::Left { SCOPES.len() - 1 } else { 1 };
                let at = SCOPES.iter().position(|scope| *scope == self.scope).unwrap_or(0);
                self.scope = SCOPES[(at + by) % SCOPES.len()];
                return true;
            }
            _ => return false,
        };
        self.field = FIELDS[(place + by) % FIELDS.len()];
        false
    }

    /// What it covers, whatever the rest says.
    pub(super) fn matcher(&self) -> Waiver {
        let finding = &self.finding;
        let owner = Person::new("nobody").expect("a name in its grammar");
        let day = jiff::civil::Date::constant(9999, 12, 31);
        let mut waiver = Waiver::new(Clean::default(), owner, day);
        match self.scope {
            Scope::Finding => waiver.fingerprint = Some(finding.fingerprint.clone()),
            Scope::Place => {
                waiver.rule = Some(finding.rule.clone());
                match &finding.package {
                    Some(package) => waiver.package = Some(package.name.clone()),
                    None => waiver.location = Some(without_line(&finding.location)),
                }
            }
            Scope::Rule => {
                (waiver.tool, waiver.rule) =
                    (Some(finding.tool.clone()), Some(finding.rule.clone()));
            }
        }
        waiver
    }

    /// The waiver, or what is missing, and in which field.
    pub(super) fn waiver(&self) -> Result<Waiver, (Field, Clean)> {
        let reason = Clean::new(self.reason.trim());
        if reason.is_empty() {
            return Err((Field::Reason, Clean::new("a waiver needs a reason; it is recorded")));
        }
        let owner = Person::new(self.owner.trim());
        let owner = owner.map_err(|error| (Field::Owner, Clean::new(&error.to_string())))?;
        let until = self.until.trim().parse();
        let until = until.map_err(|_| (Field::Until, Clean::new("a day: 2026-12-31")))?;
        let waiver = Waiver { reason, owner, until, ..self.matcher() };
        waiver.check().map_err(|(_, why)| (Field::Scope, Clean::new(why)))?;
        Ok(waiver)
    }

    pub(super) fn go_to(&mut self, field: Field) {
        self.field = field;
    }

    pub(super) fn ask(&self) -> Option<Ask> {
        Some(Ask::Waive { waiver: Box::new(self.waiver().ok()?) })
    }

    /// The lines to put into a policy, so that it holds for later releases too.
    pub(super) fn yaml(&self) -> String {
        let mut waiver = self.matcher();
        waiver.reason = Clean::new(self.reason.trim());
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let mut lines = Vec::new();
        let fingerprint = waiver.fingerprint.as_ref().map(|own| Clean::new(own.as_str()));
        for (key, value) in [
            ("tool", waiver.tool),
            ("rule", waiver.rule),
            ("fingerprint", fingerprint),
            ("location", waiver.location),
            ("package", waiver.package),
            ("reason", Some(waiver.reason)),
            ("owner", Some(Clean::new(self.owner.trim()))),
            ("until", Some(Clean::new(self.until.trim()))),
        ] {
            let Some(value) = value else { continue };
            let dash = if lines.is_empty() { "- " } else { "  " };
            let plain = matches!(key, "owner" | "until" | "fingerprint");
            let value = if plain { value.to_string() } else { quoted(value.as_str()) };
            lines.push(format!("    {dash}{key}: {value}"));
        }
        format!("findings:\n  waivers:\n{}\n", lines.join("\n"))
    }

    pub(super) fn lines(&self) -> (String, Vec<Line>) {
        let typed = |field: Field, head: &str, value: &str| {
            let here = self.field == field;
            let strip =
                Strip::of(if here { Role::Focus } else { Role::Dim }, format!(" {head:<8}"));
            let mark = if here { "_" } else { "" };
            let role = if here { Role::Input } else { Role::Strong };
            Line::Strip(strip.put(role, format!("{value}{mark}")))
        };
        let scope = match self.scope {
            Scope::Finding => "exactly this finding, wherever its line moves".to_owned(),
            Scope::Place => {
                let what = self.matcher();
                let place = what.package.or(what.location).unwrap_or_default();
                format!("{} in {place}", self.finding.rule)
            }
            Scope::Rule => format!("{} wherever {} finds it", self.finding.rule, self.finding.tool),
        };
        let here = self.field == Field::Scope;
        let scope = Strip::of(if here { Role::Focus } else { Role::Dim }, " covers  ")
            .put(if here { Role::Input } else { Role::Strong }, scope)
            .put(Role::Key, if here { "  space" } else { "" })
            .put(Role::Dim, if here { " changes" } else { "" });
        let mut lines = vec![
            Line::Strip(scope),
            text(Role::Warn, format!("{} of this release", plural(self.covers as u64, "finding"))),
            typed(Field::Reason, "reason", &self.reason),
            typed(Field::Owner, "owner", &self.owner),
            typed(Field::Until, "until", &self.until),
            text(Role::Dim, "It is recorded and holds in this release; its gate is judged again."),
            text(Role::Dim, "For later releases put this into the policy (ctrl-y copies it):"),
        ];
        lines.extend(
            self.yaml().lines().map(|line| Line::Strip(Strip::of(Role::Faint, format!(" {line}")))),
        );
        let enter = match self.waiver() {
            Ok(_) => "waives it".to_owned(),
            Err((_, why)) => format!("({why})"),
        };
        let last =
            [("enter", enter.as_str()), ("tab", "next"), ("ctrl-y", "copies"), ("esc", "leaves")];
        lines.push(keys(&last));
        (format!("Waive {}?", self.finding.rule.cut(40)), lines)
    }
}

fn without_line(place: &Clean) -> Clean {
    let number = |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
    match place.as_str().rsplit_once(':') {
        Some((path, line)) if number(line) => Clean::new(path),
        _ => place.clone(),
    }
}
