//! `log-processor local` from end to end: the built binary over folders of
//! objects, as an operator runs it.

mod again;
mod content;
mod damage;
mod demo;
mod input;
mod lines;
mod memory;
mod names;
mod place;
mod plugins;
mod random;
mod stop;
