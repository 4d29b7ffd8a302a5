//! How much work a function is for the compiler: it takes memory and time for each
//! local and operand in each block, and most for each value that blocks hand on, so that a
//! function of some kilobytes may take gigabytes. What is too much is found before
//! anything is compiled.
//!
//! These counts say early, and exactly, what is wrong with a component. They aren't the
//! wall: code of other kinds takes much as well, and what stops that are the limits of
//! whoever compiles.

use std::collections::HashSet;

use wasmparser::{
    BlockType, CompositeInnerType, FrameKind, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody,
    Operator, ValidatorResources, WasmModuleResources,
};

use super::to_u64;
use crate::error::CostlyCode;

/// Most locals times blocks of a function. The most in a component that brings Python along
/// is 190,000. At this limit compiling took 0.2 GB and 1.5 s, at three times as much 0.4
/// GB and 10 s (release build).
const MAX_WORK: u64 = 4_000_000;

/// Most of the same in all functions together: Python's have 5 million. So many take some 40 s.
const MAX_TOTAL_WORK: u64 = 100_000_000;

/// Most operands on the stack of a function, summed over its blocks.
const MAX_STACK: u64 = 4_000_000;

/// Most locals that the loops of a function change, each counted for each loop around it: the
/// compiler hands each on with each turn. So many take 0.1 s and 0.1 GB, a few more 5 s.
const MAX_CHANGED: u64 = 30_000;

/// Most values that a function's blocks, branches and calls hand on, beyond one each.
const MAX_VALUES: u64 = 20_000;

/// Most of the same in all functions together.
const MAX_TOTAL_VALUES: u64 = 1_000_000;

/// Most bytes of a function. Python's largest has 430,000, none of them a branch.
const MAX_FUNCTION_BYTES: u64 = 1024 * 1024;

/// The work that the functions of a component are, so far.
#[derive(Default)]
pub(super) struct CompileCost {
    total_work: u64,
    total_values: u64,
    allocations: FuncValidatorAllocations,
}

/// A function for the validator, which knows its types and its stack.
type Validator = FuncValidator<ValidatorResources>;

impl CompileCost {
    /// Adds a function; says what is too much about it, if anything.
    pub(super) fn add(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> wasmparser::Result<Option<CostlyCode>> {
        let bytes = to_u64(body.range().len());
        if bytes > MAX_FUNCTION_BYTES {
            return Ok(Some(CostlyCode::Length { bytes, most: MAX_FUNCTION_BYTES }));
        }
        let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
        // What isn't valid is left to wasmtime, but what comes after it is looked at.
        let Ok(counts) = Counts::of(&mut validator, body) else { return Ok(None) };
        self.allocations = validator.into_allocations();
        self.total_work = self.total_work.saturating_add(counts.work());
        self.total_values = self.total_values.saturating_add(counts.values);
        let costly = counts.costly();
        Ok(if costly.is_some() {
            costly
        } else if self.total_work > MAX_TOTAL_WORK {
            Some(CostlyCode::Total { most: MAX_TOTAL_WORK })
        } else {
            (self.total_values > MAX_TOTAL_VALUES).then_some(CostlyCode::TotalValues { most: MAX_TOTAL_VALUES })
        })
    }
}

/// What there is in a function.
struct Counts {
    /// Locals, parameters included.
    locals: u64,
    /// Basic blocks, about as many as the compiler makes.
    blocks: u64,
    /// Locals that its loops change, for each loop.
    changed: u64,
    /// Operands on the stack at the end of each block, in sum.
    stack: u64,
    /// Values that blocks, branches and calls hand on, beyond one each.
    values: u64,
}

impl Counts {
    /// Counts a function. Too many values end the count: to validate them is work too.
    fn of(validator: &mut Validator, body: &FunctionBody<'_>) -> wasmparser::Result<Self> {
        validator.read_locals(&mut body.get_binary_reader())?;
        let locals = u64::from(validator.len_locals());
        let mut counts = Self { locals, blocks: 1, changed: 0, stack: 0, values: 0 };
        let mut loops = Loops::default();
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, offset) = operator?;
            let values = values(&operator, validator);
            counts.values = counts.values.saturating_add(values);
            counts.changed = counts.changed.saturating_add(loops.ended(&operator));
            if counts.values > MAX_VALUES || counts.changed > MAX_CHANGED {
                break;
            }
            validator.op(offset, &operator)?;
            let blocks = blocks(&operator);
            counts.blocks = counts.blocks.saturating_add(blocks);
            let height = u64::from(validator.operand_stack_height());
            counts.stack = counts.stack.saturating_add(blocks.saturating_mul(height));
        }
        Ok(counts)
    }

    /// Locals in blocks.
    fn work(&self) -> u64 {
        self.locals.saturating_mul(self.blocks)
    }

    /// What is too much, if anything.
    fn costly(&self) -> Option<CostlyCode> {
        let Self { locals, blocks, changed, stack, values } = *self;
        if values > MAX_VALUES {
            return Some(CostlyCode::Values { most: MAX_VALUES });
        }
        if self.work() > MAX_WORK {
            return Some(CostlyCode::Function { locals, blocks, most: MAX_WORK });
        }
        if changed > MAX_CHANGED {
            return Some(CostlyCode::Loops { most: MAX_CHANGED });
        }
        (stack > MAX_STACK).then_some(CostlyCode::Stack { operands: stack, blocks, most: MAX_STACK })
    }
}

/// The loops whose end is not reached yet.
#[derive(Default)]
struct Loops {
    /// Whether each block around is a loop, from the outermost on.
    blocks: Vec<bool>,
    /// Locals that each loop changes, as far as is read.
    changed: Vec<HashSet<u32>>,
}

impl Loops {
    /// Locals that a loop changes which ends with this operator.
    fn ended(&mut self, operator: &Operator<'_>) -> u64 {
        match operator {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                if let Some(changed) = self.changed.last_mut() {
                    changed.insert(*local_index);
                }
            }
            Operator::Loop { .. } => {
                self.blocks.push(true);
                self.changed.push(HashSet::new());
            }
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => self.blocks.push(false),
            Operator::End if self.blocks.pop() == Some(true) => {
                let ended = self.changed.pop().unwrap_or_default();
                let count = to_u64(ended.len());
                if let Some(around) = self.changed.last_mut() {
                    around.extend(ended);
                }
                return count;
            }
            _ => {}
        }
        0
    }
}

/// Basic blocks that an operator makes.
fn blocks(operator: &Operator<'_>) -> u64 {
    match operator {
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
    }
}

/// Values that an operator hands on to a block, or takes of a call, beyond one each: the
/// compiler joins each of them at each place that they come from.
fn values(operator: &Operator<'_>, validator: &Validator) -> u64 {
    let module = validator.resources();
    let called = |kind: Option<u32>| kind.map_or(0, |kind| beyond_one(function_arity(kind, module).1));
    match operator {
        Operator::Block { blockty } => beyond_one(arity(*blockty, module).1),
        Operator::Loop { blockty } | Operator::If { blockty } => {
            let (params, results) = arity(*blockty, module);
            beyond_one(params).saturating_add(beyond_one(results))
        }
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => at_label(*relative_depth, validator),
        Operator::BrTable { targets } => targets
            .targets()
            .map_while(Result::ok)
            .chain([targets.default()])
            .fold(0, |sum: u64, depth| sum.saturating_add(at_label(depth, validator))),
        Operator::Return => {
            let outermost = validator.control_stack_height().saturating_sub(1);
            at_label(outermost, validator)
        }
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            called(module.type_index_of_function(*function_index))
        }
        Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
            called(Some(*type_index))
        }
        _ => 0,
    }
}

/// Values that a branch to this label hands on, beyond one.
fn at_label(depth: u32, validator: &Validator) -> u64 {
    let frame = usize::try_from(depth).ok().and_then(|depth| validator.get_control_frame(depth));
    frame.map_or(0, |frame| {
        let (params, results) = arity(frame.block_type, validator.resources());
        beyond_one(if frame.kind == FrameKind::Loop { params } else { results })
    })
}

/// Parameters and results of a block.
fn arity(kind: BlockType, module: &ValidatorResources) -> (u64, u64) {
    match kind {
        BlockType::Empty => (0, 0),
        BlockType::Type(_) => (0, 1),
        BlockType::FuncType(kind) => function_arity(kind, module),
    }
}

/// Parameters and results of a function of this type.
fn function_arity(kind: u32, module: &ValidatorResources) -> (u64, u64) {
    match module.sub_type_at(kind).map(|kind| &kind.composite_type.inner) {
        Some(CompositeInnerType::Func(kind)) => (to_u64(kind.params().len()), to_u64(kind.results().len())),
        _ => (0, 0),
    }
}

fn beyond_one(values: u64) -> u64 {
    values.saturating_sub(1)
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

    /// A component of a module with these fields.
    fn module(fields: &str) -> Option<String> {
        let text = format!("(component (core module {fields}))");
        refuse_too_much(&wat::parse_str(text).unwrap()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_function_is_bounded_by_its_operands_in_its_blocks() {
        let of = |operands: usize, blocks: usize| {
            let (push, pop) = ("(local.get 0)".repeat(operands), "drop ".repeat(operands));
            let branch = "(block (br_if 0 (local.get 0)))";
            module(&format!("(func (param i32) {push} {} {pop})", branch.repeat(blocks / 2)))
        };
        assert_eq!(of(1000, 4000), None);
        let error = of(1000, 4002).unwrap();
        assert!(error.contains("4002000 operands on its stack in 4003 blocks, in sum; 4000000"), "{error}");
    }

    #[test]
    fn a_function_is_bounded_by_the_locals_that_its_loops_change() {
        let of = |body: &str| module(&format!("(func (param i32) (local{}) {body})", " i32".repeat(99)));
        let all: String = (0..100).map(|local| format!("(local.set {local} (i32.const 1))")).collect();
        let within = |depth: usize| format!("{} {all} {}", "loop block ".repeat(depth), "end end ".repeat(depth));
        let error = |body: &str| {
            let error = of(body).unwrap();
            assert!(error.contains("loops change more than 30000 locals"), "{error}");
        };
        assert_eq!(of(&within(300)), None);
        error(&within(301));
        // One after the other, too.
        assert_eq!(of(&within(60).repeat(5)), None);
        error(&(within(60).repeat(5) + "(loop (drop (local.tee 0 (i32.const 1))))"));
        // What they don't change costs nothing, nor what is changed between them, or twice.
        assert_eq!(of(&(all.clone() + "(loop)").repeat(400)), None);
        assert_eq!(
            of(&format!(
                "{} {} {}",
                "loop ".repeat(3000),
                "(local.set 0 (local.get 1))".repeat(100),
                "end ".repeat(3000)
            )),
            None
        );
    }

    #[test]
    fn a_function_is_bounded_by_the_values_that_it_hands_on() {
        let (zeros, drops) = ("(i32.const 0)".repeat(101), "drop ".repeat(101));
        let wide = |kind: &str| format!("(type $w (func {kind}))").replace("many", &" i32".repeat(101));
        let both = wide("(param many) (result many)");
        let given = wide("(result many)");
        let of = |kind: &str, more: &str, once: &str, times: usize| {
            module(&format!("{kind} {more} (func (param i32) {})", once.repeat(times)))
        };
        let call = format!("(call $f) {drops}");
        let indirect = format!("(call_indirect (type $w) (i32.const 0)) {drops}");
        let branch = format!("(block (type $w) {zeros} (br 0)) {drops}");
        let maybe = format!("(block (type $w) {zeros} (br_if 0 (i32.const 0))) {drops}");
        let table = format!("(block (type $w) {zeros} (br_table 0 0 0 (i32.const 0))) {drops}");
        let block = format!("(block (type $w) {zeros}) {drops}");
        let repeated = format!("{zeros} (loop (type $w)) {drops}");
        let chosen = format!("{zeros} (i32.const 0) if (type $w) else end {drops}");
        let returned = format!("(func (result{}) {zeros} return)", " i32".repeat(101));
        // How often each of them hands on a hundred beyond one.
        let cases = [
            (&given, "(func $f (type $w) unreachable)", &call, 1),
            (&given, "(table 1 funcref)", &indirect, 1),
            (&given, "", &block, 1),
            (&given, "", &branch, 2),
            (&given, "", &maybe, 2),
            (&given, "", &table, 4),
            (&both, "", &repeated, 2),
            (&both, "", &chosen, 2),
        ];
        for (kind, more, once, each) in cases {
            assert_eq!(of(kind, more, once, 200 / each), None, "{once}");
            let error = of(kind, more, once, 200 / each + 1).unwrap();
            assert!(error.contains("hand on more than 20000 values"), "{error}: {once}");
        }
        assert_eq!(module(&returned.repeat(9000)), None);
        let error = module(&returned.repeat(10_001)).unwrap();
        assert!(error.contains("1000000 values in all"), "{error}");
        // One each is what every tool makes.
        assert_eq!(module(&format!("(func {})", "(drop (block (result i32) (i32.const 0)))".repeat(100_000))), None);
    }

    #[test]
    fn what_is_malformed_is_left_to_the_compiler() {
        let invalid = "(func (drop (i64.add (i32.const 0) (f32.const 0))))";
        assert_eq!(module(invalid), None);
        let costly = format!("(func (local{}) {})", " i32".repeat(2000), "(block)".repeat(2001));
        assert!(module(&format!("{invalid} {costly}")).is_some(), "what comes after it isn't looked at");
    }

    #[test]
    fn a_function_is_bounded_by_its_bytes() {
        assert_eq!(refused(1, 2, 1_000_000), None);
        let error = refused(1, 2, 1_100_000).unwrap();
        assert!(error.contains("bytes; 1048576 is the limit"), "{error}");
    }
}
