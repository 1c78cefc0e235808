//! Whole screens: how the panes come together.

pub(super) mod opening;
pub(super) mod release;
pub(super) mod timeline;
pub(super) mod tiny;
