//! The names of things: every identifier is a type of its own, so none can stand in for another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Declares a string identifier restricted to a safe ASCII grammar (threat T3: no homographs).
macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $what:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        pub struct $Name(String);

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl $Name {
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                let extra: &str = $extra;
                let fits = |b: u8| b.is_ascii_alphanumeric() || extra.as_bytes().contains(&b);
                if text.is_empty() || text.len() > 128 || text.starts_with('-')
                    || !text.bytes().all(fits) {
                    return Err(BadName { what: $what, text });
                }
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $Name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl From<$Name> for String {
            fn from(name: $Name) -> String {
                name.0
            }
        }

        impl FromStr for $Name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

/// A name outside its grammar: 1 to 128 ASCII letters, digits and a few marks, no leading dash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {text:?} is not 1 to 128 ASCII letters, digits, '-', '_' or '.', without a leading '-'"
)]
pub struct BadName {
    pub what: &'static str,
    pub text: String,
}

name! {
    /// One attempt to bring one revision to production, for example `r-1123.1`.
    ReleaseId, "release id", "-_."
}
name! {
    /// A stage of the plan, for example `code`.
    StageId, "stage id", "-_"
}
name! {
    /// A step of the plan, unique in it and named under its stage: `code.gitleaks`.
    StepId, "step id", "-_."
}
name! {
    /// A full git commit id.
    Revision, "revision", ""
}
name! {
    /// A stored database backup: `backup_20261123_024110.dump`.
    BackupId, "backup id", "-_."
}
name! {
    /// The name under which a secret is asked for; never its value.
    SecretName, "secret name", "-_."
}
name! {
    /// One running gonogo that holds, or watches, a journal.
    SessionId, "session id", "-_."
}
name! {
    /// A person, as the approvers file and the operating system know them.
    Person, "person", "-_.@+"
}

impl Revision {
    /// The first seven characters, for people; never for comparing.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

/// A SHA-256 digest in the notation of container registries: `sha256:` and 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self::from_sha256(&sha2::Sha256::digest(bytes))
    }

    /// What SHA-256 gave for bytes that came in parts.
    pub fn from_sha256(hash: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in hash {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Self(text)
    }

    /// The digest that stands before the first record of a journal: 64 zeros.
    pub fn zero() -> Self {
        Self(format!("sha256:{}", "0".repeat(64)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash itself; none where the text is no digest, which cannot be.
    pub fn bytes(&self) -> Option<[u8; 32]> {
        let hex = self.0.as_bytes().get(7..)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let mut bytes = [0; 32];
        for (at, pair) in hex.chunks_exact(2).take(32).enumerate() {
            bytes[at] = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(bytes)
    }

    /// Twelve hex digits, for people; never for comparing.
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;
    fn try_from(text: String) -> Result<Self, BadDigest> {
        let hex = text.strip_prefix("sha256:").unwrap_or("");
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() == 64 && hex.bytes().all(lower) {
            return Ok(Self(text));
        }
        Err(BadDigest(text))
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        Self::try_from(text.to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Text that is not a SHA-256 digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not \"sha256:\" and 64 lower-case hex digits")]
pub struct BadDigest(pub String);

/// Declares a counter.
macro_rules! count {
    ($(#[$doc:meta])* $Name:ident, $Int:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $Name(pub $Int);

        impl $Name {
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

count! {
    /// A record's place in its journal: 0, 1, 2, … without gaps (invariant I2).
    Seq, u64
}
count! {
    /// Which session drives: it rises by one at each take-over and fences the older ones (I5).
    Epoch, u64
}
count! {
    /// The how-manieth try of one cause: 1, 2, 3, …
    Attempt, u32
}
