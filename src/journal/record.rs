//! Reads a record quickly.
//!
//! The derived reader of a tagged enum takes all of a value apart before it looks at the tag, and
//! then puts it together again. The events that most records of a long journal hold are therefore
//! read here as plain structs once their tag is known, which is written first. Everything else
//! goes through the derived reader, and both agree on every event.

use std::fmt;

use jiff::Timestamp as Wall;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Error, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::release::{
    Digest, Epoch, Event, Evidence, Principal, Record, ReleaseId, RuleVerdict, Seq, StepEnd, StepId,
};

/// The tag under which an event says its kind.
const TAG: &str = "kind";

/// Reads a record of a format that this build knows.
pub(super) fn read(text: &str) -> serde_json::Result<Record> {
    let Written { format, release, seq, epoch, prev, attempt_id, at_wall, at_boot, by, event } =
        serde_json::from_str(text)?;
    let Quick(event) = event;
    Ok(Record { format, release, seq, epoch, prev, attempt_id, at_wall, at_boot, by, event })
}

/// A [`Record`] as it is read.
#[derive(Deserialize)]
struct Written {
    format: u32,
    release: ReleaseId,
    seq: Seq,
    epoch: Epoch,
    prev: Digest,
    attempt_id: String,
    at_wall: Wall,
    at_boot: u64,
    by: Principal,
    event: Quick,
}

struct Quick(Event);

#[derive(Deserialize)]
struct StepStarted {
    step: StepId,
}

#[derive(Deserialize)]
struct StepEnded {
    step: StepId,
    end: Box<StepEnd>,
}

#[derive(Deserialize)]
struct WindowJudged {
    evidence: Evidence,
    verdicts: Vec<RuleVerdict>,
}

impl<'de> Deserialize<'de> for Quick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Events).map(Self)
    }
}

struct Events;

impl<'de> Visitor<'de> for Events {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let first: Option<&str> = map.next_key()?;
        if first != Some(TAG) {
            return Err(A::Error::custom("an event that does not begin with its kind"));
        }
        let kind: &str = map.next_value()?;
        let rest = |map| MapAccessDeserializer::new(map);
        Ok(match kind {
            "step_started" => {
                let StepStarted { step } = StepStarted::deserialize(rest(map))?;
                Event::StepStarted { step }
            }
            "step_ended" => {
                let StepEnded { step, end } = StepEnded::deserialize(rest(map))?;
                Event::StepEnded { step, end }
            }
            "window_judged" => {
                let WindowJudged { evidence, verdicts } = WindowJudged::deserialize(rest(map))?;
                Event::WindowJudged { evidence, verdicts }
            }
            _ => {
                let again = Again { kind, said: Said::Nothing, map };
                Event::deserialize(MapAccessDeserializer::new(again))?
            }
        })
    }
}

/// A map whose tag was read already, with the tag in front of it again.
struct Again<'k, A> {
    kind: &'k str,
    said: Said,
    map: A,
}

#[derive(PartialEq, Eq)]
enum Said {
    Nothing,
    Key,
    Tag,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Again<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        if self.said != Said::Nothing {
            return self.map.next_key_seed(seed);
        }
        self.said = Said::Key;
        let tag: StrDeserializer<'_, A::Error> = TAG.into_deserializer();
        seed.deserialize(tag).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        if self.said != Said::Key {
            return self.map.next_value_seed(seed);
        }
        self.said = Said::Tag;
        let kind: StrDeserializer<'_, A::Error> = self.kind.into_deserializer();
        seed.deserialize(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_EVENT: &str = include_str!("../../tests/journals/v1-every-event.jsonl");

    #[test]
    fn both_ways_of_reading_agree_on_every_event() {
        assert!(EVERY_EVENT.lines().count() > 20);
        for line in EVERY_EVENT.lines() {
            let derived: Record = serde_json::from_str(line).expect("a record");
            assert_eq!(read(line).expect("a record"), derived);
        }
    }

    #[test]
    fn what_is_not_written_as_we_write_it_is_left_to_the_other_way() {
        for line in EVERY_EVENT.lines() {
            let turned = line.replace("\"event\":{\"kind\"", "\"event\":{\"a\":1,\"kind\"");
            assert!(read(&turned).is_err());
            assert!(serde_json::from_str::<Record>(&turned).is_ok());
        }
    }
}
