//! The journal under every fault that one machine can give it.

mod arbitrary;
mod damage;
mod faults;
mod golden;
mod kit;
mod life;
mod locks;
mod room;
mod shelves;
mod story;
