//! Components put together from a world and a core module's text.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "it is made for tests")]

pub mod bombs;

use std::path::PathBuf;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What every core module here needs beside its memory: an allocator that only ever
/// takes more.
const COMMON: &str = r#"
    (global $next (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
        global.get $next
        (global.set $next (i32.add (global.get $next) (local.get 3))))
"#;

/// Where a version of the contract is.
pub fn contract(version: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).join(version)
}

/// A component to be.
#[derive(Default)]
pub struct Parts<'a> {
    /// The world's items, as WIT.
    pub world: &'a str,
    /// Packages that it needs beside the contract.
    pub packages: &'a str,
    /// Replaces the contract, which is there in all its versions.
    pub contract: Option<&'a str>,
    /// The core module's imports.
    pub imports: &'a str,
    /// The rest of it.
    pub core: &'a str,
    /// Pages of memory that it begins with; at least two.
    pub pages: u32,
}

impl Parts<'_> {
    /// Its bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        match self.contract {
            Some(text) => drop(resolve.push_str("contract.wit", text).unwrap()),
            None => ["0.1.0", "0.2.0"].iter().for_each(|version| drop(resolve.push_path(contract(version)).unwrap())),
        }
        let text = format!("package test:it;\nworld it {{ {} }}\n{}", self.world, self.packages);
        let package = resolve.push_str("it.wit", &text).unwrap();
        let world = resolve.select_world(&[package], Some("it")).unwrap();
        let memory = format!(r#"(memory (export "memory") {})"#, self.pages.max(2));
        let mut module = wat::parse_str(format!("(module {} {memory} {COMMON} {})", self.imports, self.core)).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
    }
}

/// Exports `log-filter` alone: `wants` answers true, after `body`, which has
/// `more` beside it in the module.
pub fn filter(body: &str, more: &str) -> Vec<u8> {
    Parts { world: "export log-router:plugin/log-filter@0.1.0;", core: &(wants(body) + more), ..Parts::default() }
        .build()
}

/// `wants`; its answer lies at 8, which holds `ok(true)`.
pub fn wants(body: &str) -> String {
    format!(
        r#"(data (i32.const 8) "\00\00\00\00\01")
        (func (export "log-router:plugin/log-filter@0.1.0#wants") (param i32) (result i32) {body} (i32.const 8))"#
    )
}

/// Exports `key-parser` alone, which answers the same to any key, after `body`.
pub fn parser(body: &str, fields: [&str; 6]) -> Vec<u8> {
    let (mut at, mut data, mut text) = (1024, String::from("\\00\\00\\00\\00"), String::new());
    for field in fields {
        for number in [at, field.len() as u32] {
            data += &number.to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat();
        }
        at += field.len() as u32;
        text += field;
    }
    let core = format!(
        r#"(data (i32.const 8) "{data}") (data (i32.const 1024) "{text}")
        (func (export "log-router:plugin/key-parser@0.1.0#parse-key") (param i32 i32) (result i32)
            {body} (i32.const 8))"#
    );
    Parts { world: "export log-router:plugin/key-parser@0.1.0;", core: &core, ..Parts::default() }.build()
}
