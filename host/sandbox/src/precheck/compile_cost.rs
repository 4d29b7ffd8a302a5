//! How much work a function is for the compiler: it takes memory and time for each
//! local in each block, so that a function of some kilobytes may take gigabytes. What
//! is too much is found before anything is compiled.

use wasmparser::{CompositeInnerType, FuncToValidate, FunctionBody, Operator, ValidatorResources, WasmModuleResources};

use crate::error::CostlyCode;

/// Most locals times blocks of a function. The most in a component that brings Python along
/// is 190,000. At this limit compiling took 0.2 GB and 1.5 s, at three times as much 0.4
/// GB and 10 s (release build).
const MAX_WORK: u64 = 4_000_000;

/// Most of the same in all functions together: Python's have 5 million. So many take some 40 s.
const MAX_TOTAL_WORK: u64 = 100_000_000;

/// Most bytes of a function. Python's largest has 430,000, none of them a branch.
const MAX_FUNCTION_BYTES: u64 = 1024 * 1024;

/// The work that the functions of a component are, so far.
#[derive(Debug, Default)]
pub(super) struct CompileCost {
    total_work: u64,
}

impl CompileCost {
    /// Adds a function; says what is too much about it, if anything.
    pub(super) fn add(
        &mut self,
        function: &FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> wasmparser::Result<Option<CostlyCode>> {
        let bytes = to_u64(body.range().len());
        if bytes > MAX_FUNCTION_BYTES {
            return Ok(Some(CostlyCode::Length { bytes, most: MAX_FUNCTION_BYTES }));
        }
        let (locals, blocks) = (locals(function, body)?, blocks(body)?);
        let work = locals.saturating_mul(blocks);
        if work > MAX_WORK {
            return Ok(Some(CostlyCode::Function { locals, blocks, most: MAX_WORK }));
        }
        self.total_work = self.total_work.saturating_add(work);
        Ok((self.total_work > MAX_TOTAL_WORK).then_some(CostlyCode::Total { most: MAX_TOTAL_WORK }))
    }
}

/// Locals of a function, its parameters included.
fn locals(function: &FuncToValidate<ValidatorResources>, body: &FunctionBody<'_>) -> wasmparser::Result<u64> {
    let params = function.resources.sub_type_at(function.ty).map_or(0, |kind| match &kind.composite_type.inner {
        CompositeInnerType::Func(kind) => to_u64(kind.params().len()),
        _ => 0,
    });
    body.get_locals_reader()?
        .into_iter()
        .try_fold(params, |sum, declared| Ok(sum.saturating_add(u64::from(declared?.0))))
}

/// Basic blocks of a function, about as many as the compiler makes.
fn blocks(body: &FunctionBody<'_>) -> wasmparser::Result<u64> {
    body.get_operators_reader()?.into_iter().try_fold(1, |sum: u64, operator| {
        Ok(sum.saturating_add(match operator? {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::Return
            | Operator::Unreachable => 1,
            Operator::BrTable { targets } => u64::from(targets.len()).saturating_add(1),
            _ => 0,
        }))
    })
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::precheck::expanded_size::refuse_too_much;

    /// A component with a function of so many locals, and blocks, of so many bytes.
    fn refused(locals: usize, blocks: usize, bytes: usize) -> Option<String> {
        several(1, locals, blocks, bytes)
    }

    fn several(functions: usize, locals: usize, blocks: usize, bytes: usize) -> Option<String> {
        let locals = format!("(local{})", " i32".repeat(locals));
        let body = "(block (br_if 0 (i32.const 0)))".repeat(blocks / 2) + &"nop ".repeat(bytes);
        let function = format!("(func (param i32) {locals} {body})");
        let text = format!("(component (core module {}))", function.repeat(functions));
        refuse_too_much(&wat::parse_str(text).unwrap()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_function_is_bounded_by_its_locals_in_its_blocks() {
        assert_eq!(refused(199, 19_998, 0), None);
        let error = refused(199, 20_002, 0).unwrap();
        assert!(error.contains("200 locals in 20003 blocks; 4000000"), "{error}");
    }

    #[test]
    fn functions_are_bounded_together() {
        assert_eq!(several(25, 199, 19_900, 0), None);
        assert!(several(26, 199, 19_900, 0).unwrap().contains("100000000 in all"));
    }

    #[test]
    fn a_function_is_bounded_by_its_bytes() {
        assert_eq!(refused(1, 2, 1_000_000), None);
        let error = refused(1, 2, 1_100_000).unwrap();
        assert!(error.contains("bytes; 1048576 is the limit"), "{error}");
    }
}
