//! What the sections of a component's modules are for the compiler, beside the code of
//! their functions: it makes code of its own for each type, each element, and each constant.

use wasmparser::{ConstExpr, DataKind, Element, ElementItems, ElementKind, Payload};

use super::to_u64;
use crate::error::CostlyCode;

/// Most functions of all modules: Python's have 13,000. So many take 0.4 GB and 2 s.
const MAX_FUNCTIONS: u64 = 100_000;

/// Most parameters and results in the types of all modules: Python's have 3,300.
/// So many take 2 s.
const MAX_SIGNATURES: u64 = 100_000;

/// Most elements in the segments of all modules: Python's have 5,700, and a table holds no
/// more than 20,000. So many take 0.25 GB and 2 s.
const MAX_ELEMENTS: u64 = 100_000;

/// Most bytes of the constant expressions that globals and segments begin with: Python's have
/// 16,000. So many take 0.3 GB and 2 s.
const MAX_CONSTANTS: u64 = 1024 * 1024;

/// What the sections of a component's modules have, so far.
#[derive(Debug, Default)]
pub(super) struct ModuleCost {
    functions: u64,
    signatures: u64,
    elements: u64,
    constants: u64,
}

impl ModuleCost {
    /// Adds a section; says what is too much of it, if anything.
    pub(super) fn add(&mut self, section: &Payload<'_>) -> wasmparser::Result<Option<CostlyCode>> {
        match section {
            Payload::FunctionSection(section) => add(&mut self.functions, u64::from(section.count())),
            Payload::TypeSection(section) => {
                for kind in section.clone().into_iter_err_on_gc_types() {
                    let kind = kind?;
                    add(&mut self.signatures, to_u64(kind.params().len().saturating_add(kind.results().len())));
                }
            }
            Payload::GlobalSection(section) => {
                for global in section.clone() {
                    self.add_constant(&global?.init_expr);
                }
            }
            Payload::DataSection(section) => {
                for data in section.clone() {
                    if let DataKind::Active { offset_expr, .. } = data?.kind {
                        self.add_constant(&offset_expr);
                    }
                }
            }
            Payload::ElementSection(section) => {
                for segment in section.clone() {
                    self.add_segment(segment?)?;
                }
            }
            _ => return Ok(None),
        }
        Ok(self.costly())
    }

    fn add_segment(&mut self, segment: Element<'_>) -> wasmparser::Result<()> {
        if let ElementKind::Active { offset_expr, .. } = segment.kind {
            self.add_constant(&offset_expr);
        }
        match segment.items {
            ElementItems::Functions(functions) => add(&mut self.elements, u64::from(functions.count())),
            ElementItems::Expressions(_, expressions) => {
                add(&mut self.elements, u64::from(expressions.count()));
                for expression in expressions {
                    self.add_constant(&expression?);
                }
            }
        }
        Ok(())
    }

    fn add_constant(&mut self, expression: &ConstExpr<'_>) {
        add(&mut self.constants, to_u64(expression.get_binary_reader().bytes_remaining()));
    }

    /// What is too much, if anything.
    fn costly(&self) -> Option<CostlyCode> {
        [
            (self.functions, MAX_FUNCTIONS, "functions"),
            (self.signatures, MAX_SIGNATURES, "parameters and results in its types"),
            (self.elements, MAX_ELEMENTS, "elements in its segments"),
            (self.constants, MAX_CONSTANTS, "bytes of constant expressions"),
        ]
        .into_iter()
        .find_map(|(count, most, what)| (count > most).then_some(CostlyCode::Module { what, count, most }))
    }
}

fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use crate::precheck::expanded_size::refuse_too_much;

    /// Why a component of so many modules with these fields is refused.
    fn refused(modules: usize, fields: &str) -> Option<String> {
        let text = format!("(component {})", format!("(core module {fields})").repeat(modules));
        refuse_too_much(&wat::parse_str(text).unwrap()).err().map(|error| error.to_string())
    }

    /// Refused from this number of things in each of two modules, and not at one less.
    fn bounded(most: usize, says: &str, fields: impl Fn(usize) -> String) {
        assert_eq!(refused(2, &fields(most / 2)), None, "{says}");
        let error = refused(2, &fields(most / 2 + 1)).unwrap();
        assert!(error.contains(&format!("{} {says}; {most} is the limit", most + 2)), "{error}");
    }

    #[test]
    fn functions_of_all_modules_are_bounded() {
        bounded(100_000, "functions", |count| "(func)".repeat(count));
    }

    #[test]
    fn types_of_all_modules_are_bounded_by_what_they_take_and_give() {
        bounded(100_000, "parameters and results in its types", |count| {
            let wide = format!("(type (func (param{0}) (result{0})))", " i32".repeat(500));
            wide.repeat(count / 1000) + &format!("(type (func (param{})))", " i32".repeat(count % 1000))
        });
    }

    #[test]
    fn elements_of_all_modules_are_bounded() {
        bounded(100_000, "elements in its segments", |count| format!("(func $f) (elem func{})", " $f".repeat(count)));
        bounded(100_000, "elements in its segments", |count| {
            format!("(func $f) (elem funcref {})", "(ref.func $f)".repeat(count))
        });
    }

    #[test]
    fn constant_expressions_of_all_modules_are_bounded() {
        let says = "bytes of constant expressions; 1048576 is the limit";
        for begins in ["(global i32", "(memory 1) (data (offset", "(table 1 funcref) (elem (offset"] {
            let ends = if begins.starts_with("(global") { ")" } else { "))" };
            // Three bytes each: a constant, and a sum.
            let sum = |count: usize| {
                refused(2, &format!("{begins} (i32.const 1) {} {ends}", "(i32.const 1) i32.add ".repeat(count)))
            };
            assert_eq!(sum(174_700), None, "{begins}");
            let error = sum(174_800).unwrap();
            assert!(error.contains(says), "{error}");
        }
    }
}
