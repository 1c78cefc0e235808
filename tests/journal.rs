//! The journal under every fault that one machine can give it.

mod kit;
mod life;
