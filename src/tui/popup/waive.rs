//! The form that writes a waiver: what it covers, why, who answers for it, until when; and what
//! that comes to, before it is asked.

use crossterm::event::KeyCode;

use super::form::{Line, keys, text};
use crate::release::finding::waiver::{Justification, Waiver};
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
    /// Why it does no harm, in a word of OpenVEX; or that nobody says so.
    Harm,
    Owner,
    Until,
}

const FIELDS: [Field; 5] = [Field::Scope, Field::Reason, Field::Harm, Field::Owner, Field::Until];
const SCOPES: [Scope; 3] = [Scope::Finding, Scope::Place, Scope::Rule];

/// A waiver on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct WaiveForm {
    finding: Finding,
    scope: Scope,
    field: Field,
    reason: String,
    justification: Option<Justification>,
    owner: String,
    until: String,
    /// How many findings of this release it covers; counted when the scope changes.
    pub(super) covers: usize,
}

impl WaiveForm {
    pub(in crate::tui) fn new(finding: Finding, owner: String, until: String) -> Self {
        let (scope, field) = (Scope::Finding, Field::Reason);
        let (reason, justification) = (String::new(), None);
        Self { finding, scope, field, reason, justification, owner, until, covers: 1 }
    }

    pub(super) fn input(&mut self) -> Option<&mut String> {
        match self.field {
            Field::Scope | Field::Harm => None,
            Field::Reason => Some(&mut self.reason),
            Field::Owner => Some(&mut self.owner),
            Field::Until => Some(&mut self.until),
        }
    }

    /// Keys that move about in the form; whether the scope was changed.
    pub(super) fn on_key(&mut self, code: KeyCode) -> bool {
        let forward = code != KeyCode::Left;
        match (code, self.field) {
            (KeyCode::Tab | KeyCode::Down, field) => self.field = beside(&FIELDS, field, true),
            (KeyCode::BackTab | KeyCode::Up, field) => self.field = beside(&FIELDS, field, false),
            (KeyCode::Char(' ') | KeyCode::Right | KeyCode::Left, Field::Scope) => {
                self.scope = beside(&SCOPES, self.scope, forward);
                return true;
            }
            (KeyCode::Char(' ') | KeyCode::Right | KeyCode::Left, Field::Harm) => {
                let words = Justification::ALL.map(Some);
                let ring: Vec<_> = std::iter::once(None).chain(words).collect();
                self.justification = beside(&ring, self.justification, forward);
            }
            _ => {} // tidy: any other key is typed, or means nothing here
        }
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
        let justification = self.justification;
        let waiver = Waiver { reason, justification, owner, until, ..self.matcher() };
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
            ("justification", self.justification.map(|word| Clean::new(word.key()))),
            ("owner", Some(Clean::new(self.owner.trim()))),
            ("until", Some(Clean::new(self.until.trim()))),
        ] {
            let Some(value) = value else { continue };
            let dash = if lines.is_empty() { "- " } else { "  " };
            let plain = matches!(key, "owner" | "until" | "fingerprint" | "justification");
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
        let chosen = |field: Field, head: &str, value: String| {
            let here = self.field == field;
            let strip = Strip::of(if here { Role::Focus } else { Role::Dim }, head)
                .put(if here { Role::Input } else { Role::Strong }, value)
                .put(Role::Key, if here { "  space" } else { "" })
                .put(Role::Dim, if here { " changes" } else { "" });
            Line::Strip(strip)
        };
        let harm = match self.justification {
            Some(word) => word.key().to_owned(),
            None => "it is lived with: OpenVEX says affected".to_owned(),
        };
        let mut lines = vec![
            chosen(Field::Scope, " covers  ", scope),
            text(Role::Warn, format!("{} of this release", plural(self.covers as u64, "finding"))),
            typed(Field::Reason, "reason", &self.reason),
            chosen(Field::Harm, " harm    ", harm),
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
            Err((Field::Reason, _)) => "(waits for a reason)".to_owned(),
            Err((_, why)) => format!("({why})"),
        };
        let last =
            [("enter", enter.as_str()), ("tab", "next"), ("ctrl-y", "copies"), ("esc", "leaves")];
        lines.push(keys(&last));
        (format!("Waive {}?", self.finding.rule.cut(40)), lines)
    }
}

/// The one after it, or before it, in a ring.
fn beside<T: Copy + PartialEq>(ring: &[T], own: T, forward: bool) -> T {
    let by = if forward { 1 } else { ring.len().saturating_sub(1) };
    let at = ring.iter().position(|one| *one == own).unwrap_or(0);
    ring.get((at + by) % ring.len().max(1)).copied().unwrap_or(own)
}

fn without_line(place: &Clean) -> Clean {
    let number = |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
    match place.as_str().rsplit_once(':') {
        Some((path, line)) if number(line) => Clean::new(path),
        _ => place.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_does_no_harm_is_chosen_from_the_words_of_openvex() {
        let finding = Finding { rule: "CVE-2021-44906".into(), ..Finding::default() };
        let mut form = WaiveForm::new(finding, "mira".into(), "2026-12-31".into());
        form.input().expect("a reason").push_str("not reached");
        let chosen = |form: &WaiveForm| form.waiver().expect("a waiver").justification;
        assert_eq!(chosen(&form), None, "nobody has to say so");
        assert!(!form.yaml().contains("justification"), "{}", form.yaml());
        form.on_key(KeyCode::Tab);
        assert!(form.input().is_none(), "it is chosen, not typed");
        for word in Justification::ALL {
            assert!(!form.on_key(KeyCode::Char(' ')), "it covers what it covered");
            assert_eq!(chosen(&form), Some(word));
            let line = format!("      justification: {}\n", word.key());
            assert!(form.yaml().contains(&line), "{}", form.yaml());
        }
        form.on_key(KeyCode::Right);
        assert_eq!(chosen(&form), None);
        form.on_key(KeyCode::Left);
        assert_eq!(chosen(&form), Some(Justification::InlineMitigationsAlreadyExist));
        let Some(Ask::Waive { waiver }) = form.ask() else { panic!("nothing is asked") };
        assert_eq!(waiver.justification, chosen(&form));
    }
}
