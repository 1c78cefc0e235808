//! Durable memory: one record a line, chained and summed, on disk before anything is done.
//!
//! A journal is a folder: `journal.jsonl` (the records), `reserve` (space for the way out of a
//! full disk), `driver.json` (who drives; the lock itself is held on `journal.jsonl`). A torn last
//! line is set aside and reported; damage anywhere else refuses to drive and still lets watch.

mod book;
mod disk;
mod driver;
mod environment;
mod error;
mod library;
mod queue;
mod record;

pub mod line;
pub mod reader;
pub mod shelf;

pub use book::{Journal, Mode, Repair};
pub use disk::{Call, Disk, Fault};
pub use driver::{Driver, Holder};
pub use environment::{EnvironmentLock, LockError};
pub use error::{AppendError, Newer, Observing, OpenError};
pub use library::{Cleared, Entry, FindError, Library, LibraryError, Newest, Started, Wanted};
pub use line::{Damage, Foreign, Head, Why, encode};
pub use queue::Place;
pub use reader::{Tail, TailError, Verification, verify};
