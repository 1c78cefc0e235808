//! The window into one step's log: which lines are shown, what is searched. The lines are fetched
//! before a frame is drawn, so that drawing does no I/O.

use crate::engine::handle::{Direction, Handle, LogPage};
use crate::release::{Cause, Clean, EffectKey, StepId};

/// Columns that one press scrolls sideways.
const SIDEWAYS: usize = 8;

/// Which part of which log is shown.
#[derive(Clone, Debug)]
pub(super) struct LogView {
    pub(super) key: Option<EffectKey>,
    pub(super) page: LogPage,
    /// Whether the newest line is kept in sight.
    pub(super) follow: bool,
    /// The first line shown while not following.
    top: usize,
    pub(super) wrap: bool,
    pub(super) left: usize,
    pub(super) needle: Option<String>,
    /// The line that the last search found.
    pub(super) found: Option<usize>,
    pub(super) error: Option<Clean>,
    /// In a replay, milliseconds since the start of a step that runs: what it wrote later has not
    /// come yet.
    pub(super) until_ms: Option<u64>,
    rows: usize,
    pub(super) columns: usize,
    /// The window whose lines are on the page; none when they may be old.
    read: Option<Window>,
}

/// Which lines of which log: the first one, or the newest ones, and how many.
type Window = (EffectKey, Option<usize>, usize);

impl Default for LogView {
    fn default() -> Self {
        Self {
            key: None,
            page: LogPage::default(),
            follow: true,
            top: 0,
            wrap: false,
            left: 0,
            needle: None,
            found: None,
            error: None,
            until_ms: None,
            rows: 0,
            columns: 0,
            read: None,
        }
    }
}

impl LogView {
    /// Shows another log, from its end.
    pub(super) fn choose(&mut self, key: Option<EffectKey>) {
        if self.key == key {
            return;
        }
        let (wrap, needle, rows) = (self.wrap, self.needle.take(), self.rows);
        *self = Self { key, wrap, needle, rows, ..Self::default() };
    }

    pub(super) fn resize(&mut self, rows: usize, columns: usize) {
        (self.rows, self.columns) = (rows, columns);
    }

    pub(super) fn step(&self) -> Option<StepId> {
        match &self.key.as_ref()?.cause {
            Cause::Step(id) => Some(id.clone()),
            Cause::Ask(_) | Cause::Rule(_) => None,
        }
    }

    /// There may be more lines than are known.
    pub(super) fn may_have_grown(&mut self) {
        self.read = None;
    }

    /// Whether there are other lines than those of the page. What a replay shows does not grow by
    /// itself.
    pub(super) fn has_grown(&self, handle: &Handle) -> bool {
        if self.until_ms.is_some() {
            return false;
        }
        let known = self.error.is_none().then_some(self.page.total);
        self.key.as_ref().is_some_and(|key| handle.log_lines(key).ok() != known)
    }

    /// Reads the lines of the window, unless they are on the page.
    pub(super) fn fetch(&mut self, handle: &Handle) {
        let Some(key) = &self.key else { return };
        let window = (key.clone(), (!self.follow).then_some(self.top), self.rows);
        if self.read.as_ref() == Some(&window) {
            return;
        }
        match self.page_of(handle, key) {
            Ok(page) => {
                if self.follow {
                    self.top = page.first;
                }
                self.page = page;
                self.error = None;
            }
            Err(why) => self.error = Some(why),
        }
        self.read = Some(window);
    }

    fn page_of(&self, handle: &Handle, key: &EffectKey) -> Result<LogPage, Clean> {
        let Some(until_ms) = self.until_ms else {
            return if self.follow {
                handle.log_tail(key, self.rows)
            } else {
                handle.log(key, self.top, self.rows)
            };
        };
        let total = handle.log_until(key, until_ms)?;
        let first = if self.follow { total.saturating_sub(self.rows) } else { self.top.min(total) };
        let page = handle.log(key, first, self.rows.min(total - first))?;
        Ok(LogPage { total, ..page })
    }

    /// Looks for the needle from the line last found, else from the window.
    pub(super) fn search(&mut self, handle: &Handle, way: Direction) -> Result<(), Clean> {
        let Some(needle) = self.needle.clone() else {
            return Err(Clean::new("nothing to find yet: press / first"));
        };
        let missing = || missing(&format!("{needle:?}"), way);
        self.jump(handle, way, missing, |key, from| handle.log_find(key, &needle, from, way))
    }

    /// Goes to the next line that speaks of an error.
    pub(super) fn search_error(&mut self, handle: &Handle, way: Direction) -> Result<(), Clean> {
        // Who follows and asks for an error means the newest.
        let way = if self.follow { Direction::Backward } else { way };
        let missing = || missing("an error", way);
        self.jump(handle, way, missing, |key, from| handle.log_next_error(key, from, way))
    }

    fn jump(
        &mut self,
        handle: &Handle,
        way: Direction,
        missing: impl Fn() -> Clean,
        find: impl Fn(&EffectKey, usize) -> Result<Option<usize>, Clean>,
    ) -> Result<(), Clean> {
        let Some(key) = self.key.clone() else {
            return Err(Clean::new("no step has a log yet"));
        };
        let from = match (self.found, way) {
            (Some(at), Direction::Forward) => at + 1,
            (Some(0), Direction::Backward) => return Err(missing()),
            (Some(at), Direction::Backward) => at - 1,
            (None, Direction::Forward) => self.top,
            (None, Direction::Backward) => self.page.total.saturating_sub(1),
        };
        // A replay finds nothing that is still to come, not even what it found before going back.
        let come = match self.until_ms {
            Some(until_ms) => handle.log_until(&key, until_ms)?,
            None => usize::MAX,
        };
        let Some(last) = come.checked_sub(1) else { return Err(missing()) };
        let from = if way == Direction::Backward { from.min(last) } else { from };
        let found = find(&key, from)?.filter(|at| *at <= last);
        let Some(at) = found else { return Err(missing()) };
        self.found = Some(at);
        self.follow = false;
        self.top = at.saturating_sub(self.rows / 3);
        Ok(())
    }

    pub(super) fn scroll(&mut self, by: isize) {
        let last = self.page.total.saturating_sub(self.rows);
        self.top = self.top.saturating_add_signed(by).min(last);
        self.follow = by > 0 && self.top == last;
    }

    pub(super) fn page_rows(&self) -> isize {
        isize::try_from(self.rows.saturating_sub(2).max(1)).unwrap_or(isize::MAX)
    }

    /// Stays with the lines in sight, whatever comes.
    pub(super) fn stay(&mut self) {
        self.follow = false;
    }

    pub(super) fn show_first(&mut self) {
        (self.top, self.follow) = (0, false);
    }

    pub(super) fn show_newest(&mut self) {
        self.follow = true;
    }

    pub(super) fn sideways(&mut self, right: bool) {
        self.left = if right { self.left + SIDEWAYS } else { self.left.saturating_sub(SIDEWAYS) };
    }
}

fn missing(what: &str, way: Direction) -> Clean {
    let way = match way {
        Direction::Forward => "further down",
        Direction::Backward => "further up",
    };
    Clean::new(&format!("{what} is not found {way}"))
}
