//! How much a component is once all of it is written out, which wasmtime does before it
//! counts anything. Components lie within each other, and each instance of one repeats all
//! that it has; each function repeats its types, to the last field. A file of a kilobyte
//! may so become a billion parts, and take all memory: it is refused before.

use std::collections::HashMap;

use wasmparser::component_types::{ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentValType};
use wasmparser::types::TypesRef;
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Parser, Payload, SectionLimited, ValidPayload, Validator, WasmFeatures,
};

use super::compile_cost::CompileCost;
use super::module_cost::ModuleCost;
use crate::error::{CostlyCode, LoadError};

/// Most parts of a component. One that brings Python along has some 20,000; wasmtime
/// takes about 300 bytes and 2 us for each.
const MAX_PARTS: u64 = 200_000;

/// Size of a component that is made elsewhere: nobody here knows it.
const UNKNOWN: u64 = u64::MAX;

/// Refuses a component that is too much. What is malformed is left to wasmtime, which
/// says what is wrong with it.
pub(super) fn refuse_too_much(component: &[u8]) -> Result<(), LoadError> {
    match measure(component) {
        Ok(Measured::Costly(code)) => Err(LoadError::CompileCost(code)),
        Ok(Measured::Parts(parts)) if parts > MAX_PARTS => {
            Err(LoadError::ExpandedSize { parts: (parts != UNKNOWN).then_some(parts), most: MAX_PARTS })
        }
        Ok(Measured::Parts(_)) | Err(_) => Ok(()),
    }
}

/// Measurements of a component.
#[derive(Debug, PartialEq, Eq)]
enum Measured {
    /// Number of its parts, written out.
    Parts(u64),
    /// Code that is too much work to compile; the rest was not read.
    Costly(CostlyCode),
}

/// A component or module whose end is not read yet, within those around it.
#[derive(Default)]
struct Scope {
    is_module: bool,
    parts: u64,
    /// Parts of each component that is known in it, by index.
    components: Vec<u64>,
    types: TypeSizes,
}

impl Scope {
    fn add(&mut self, parts: u64) {
        self.parts = self.parts.saturating_add(parts);
    }

    /// Parts of the component with this index.
    fn component(&self, index: u32) -> u64 {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.components.get(index).copied().unwrap_or(UNKNOWN)
    }
}

/// Sizes of the types that were asked for.
type TypeSizes = HashMap<ComponentDefinedTypeId, u64>;

/// Counts the parts of a component, and looks at its code.
fn measure(component: &[u8]) -> wasmparser::Result<Measured> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut scopes, mut cost, mut modules) = (Vec::<Scope>::new(), CompileCost::default(), ModuleCost::default());
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload)?
            && let Some(costly) = cost.add(function, &body)?
        {
            return Ok(Measured::Costly(costly));
        }
        if let Some(costly) = modules.add(&payload)? {
            return Ok(Measured::Costly(costly));
        }
        match &payload {
            Payload::Version { encoding, .. } => {
                scopes.push(Scope { is_module: *encoding == Encoding::Module, ..Scope::default() });
            }
            Payload::End(_) => {
                let Some(ended) = scopes.pop() else { continue };
                match scopes.last_mut() {
                    None => return Ok(Measured::Parts(ended.parts)),
                    Some(outer) if !ended.is_module => outer.components.push(ended.parts),
                    Some(_) => {}
                }
            }
            _ => add_section(&payload, &mut scopes, &validator)?,
        }
    }
    Ok(Measured::Parts(0))
}

/// Adds a section of the innermost component.
fn add_section(payload: &Payload<'_>, scopes: &mut [Scope], validator: &Validator) -> wasmparser::Result<()> {
    if let Payload::ComponentAliasSection(section) = payload {
        return add_aliases(section, scopes);
    }
    let Some(here) = scopes.last_mut().filter(|here| !here.is_module) else { return Ok(()) };
    match payload {
        Payload::ComponentInstanceSection(section) => {
            for instance in section.clone() {
                here.add(match instance? {
                    ComponentInstance::Instantiate { component_index, args } => {
                        here.component(component_index).saturating_add(count(args.len()))
                    }
                    ComponentInstance::FromExports(exports) => count(exports.len()),
                });
            }
        }
        Payload::InstanceSection(section) => {
            for instance in section.clone() {
                here.add(match instance? {
                    Instance::Instantiate { args, .. } => count(args.len()),
                    Instance::FromExports(exports) => count(exports.len()),
                });
            }
        }
        Payload::ComponentCanonicalSection(section) => {
            for function in section.clone() {
                let size = function_size(&function?, validator, &mut here.types);
                here.add(size);
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                let import = import?;
                here.add(1);
                if matches!(import.ty, ComponentTypeRef::Component(_)) {
                    here.components.push(UNKNOWN);
                }
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                let export = export?;
                here.add(1);
                // It is known by another index from here on.
                if export.kind == ComponentExternalKind::Component {
                    here.components.push(here.component(export.index));
                }
            }
        }
        Payload::ComponentTypeSection(section) => here.add(u64::from(section.count())),
        _ => here.add(1),
    }
    Ok(())
}

fn add_aliases(section: &SectionLimited<'_, ComponentAlias<'_>>, scopes: &mut [Scope]) -> wasmparser::Result<()> {
    for alias in section.clone() {
        let component = match alias? {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let outer = usize::try_from(count).ok().and_then(|count| scopes.iter().rev().nth(count));
                Some(outer.map_or(UNKNOWN, |outer| outer.component(index)))
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => Some(UNKNOWN),
            _ => None,
        };
        if let Some(here) = scopes.last_mut() {
            here.components.extend(component);
            here.add(1);
        }
    }
    Ok(())
}

/// Size of a function that crosses between a component and what is around it: that of its
/// types.
fn function_size(function: &CanonicalFunction, validator: &Validator, sizes: &mut TypeSizes) -> u64 {
    let Some(types) = validator.types(0) else { return UNKNOWN };
    let id = match function {
        CanonicalFunction::Lift { type_index, .. } => match types.component_any_type_at(*type_index) {
            ComponentAnyTypeId::Func(id) => id,
            _ => return 1,
        },
        CanonicalFunction::Lower { func_index, .. } => types.component_function_at(*func_index),
        _ => return 1,
    };
    let Some(kind) = types.get(id) else { return UNKNOWN };
    let values = kind.params.iter().map(|(_, value)| *value).chain(kind.result);
    values.fold(1, |sum: u64, value| sum.saturating_add(size(value, types, sizes)))
}

/// Size of a type: fields, cases and elements, down to the last.
fn size(value: ComponentValType, types: TypesRef<'_>, sizes: &mut TypeSizes) -> u64 {
    let ComponentValType::Type(id) = value else { return 1 };
    if let Some(&known) = sizes.get(&id) {
        return known;
    }
    let Some(kind) = types.get(id) else { return UNKNOWN };
    // The validator bounds how deep this goes.
    let size = element_types(kind).into_iter().fold(1, |sum: u64, value| sum.saturating_add(size(value, types, sizes)));
    sizes.insert(id, size);
    size
}

/// Types that a type is made of.
fn element_types(kind: &ComponentDefinedType) -> Vec<ComponentValType> {
    use ComponentDefinedType as Kind;
    match kind {
        Kind::Record(record) => record.fields.values().copied().collect(),
        Kind::Variant(variant) => variant.cases.values().filter_map(|case| case.ty).collect(),
        Kind::Tuple(tuple) => tuple.types.to_vec(),
        Kind::List { element, .. } | Kind::FixedLengthList { element, .. } => vec![*element],
        Kind::Map { key, value, .. } => vec![*key, *value],
        Kind::Option { ty, .. } => vec![*ty],
        Kind::Result { ok, err, .. } => ok.iter().chain(err).copied().collect(),
        Kind::Future { ty, .. } | Kind::Stream { ty, .. } => ty.iter().copied().collect(),
        Kind::Primitive(_) | Kind::Flags(_) | Kind::Enum(_) | Kind::Own(_) | Kind::Borrow(_) => Vec::new(),
    }
}

/// Size of something with so many names, itself included.
fn count(names: usize) -> u64 {
    u64::try_from(names).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::time::Instant;

    use super::*;
    use crate::testing::filter;

    fn refused(text: &str) -> Option<String> {
        let bytes = wat::parse_str(format!("(component {text})")).unwrap();
        refuse_too_much(&bytes).err().map(|error| error.to_string())
    }

    /// Components of which each makes two of the one before.
    fn doubling(times: usize) -> String {
        let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        for (before, n) in (1..=times).enumerate() {
            let two = format!("(instance (instantiate $c{before})) (instance (instantiate $c{before}))");
            write!(text, "(component $c{n} (alias outer 1 $c{before} (component $c{before})) {two})").unwrap();
        }
        text
    }

    #[test]
    fn components_that_double_are_refused_at_once() {
        let started = Instant::now();
        assert_eq!(refused(&(doubling(10) + "(instance (instantiate $c10))")), None);
        // Not made at all.
        assert_eq!(refused(&doubling(60)), None);
        for (times, says) in [(20, "written out; 200000 is the limit"), (70, "more, with each instance")] {
            let error = refused(&format!("{}(instance (instantiate $c{times}))", doubling(times))).unwrap();
            assert!(error.contains(says), "{error}");
        }
        // By another index.
        let exported =
            format!("{} (export $again \"again\" (component $c30)) (instance (instantiate $again))", doubling(30));
        assert!(refused(&exported).is_some());
        assert!(started.elapsed().as_secs() < 240, "far more parts were counted than there are");
    }

    #[test]
    fn a_component_from_elsewhere_is_not_made() {
        let takes = r#"(component $f (import "x" (component $x)) (instance (instantiate $x))) (component $y)"#;
        assert_eq!(refused(takes), None, "nobody makes it");
        let made = format!(r#"{takes} (instance (instantiate $f (with "x" (component $y))))"#);
        assert!(refused(&made).is_some());
    }

    #[test]
    fn types_that_double_are_counted_for_each_function() {
        let mut text = "(type $t0 (tuple u8 u8))".to_owned();
        (1..16).for_each(|n| write!(text, "(type $t{n} (tuple $t{before} $t{before}))", before = n - 1).unwrap());
        text += r#"(type $f (func (param "a" $t15))) (import "f" (func $f (type $f)))
            (core module $m (memory (export "m") 1)) (core instance $i (instantiate $m))
            (alias core export $i "m" (core memory $mem))"#;
        let lower = "(core func (canon lower (func $f) (memory $mem)))";
        assert_eq!(refused(&(text.clone() + lower)), None);
        assert!(refused(&(text + &lower.repeat(4))).is_some());
    }

    #[test]
    fn what_tools_make_is_far_below() {
        for guest in ["default.wasm", "fixtures/hostile-guest.wasm", "fixtures/both-guest.wasm"] {
            let path = format!("{}/../../target/guest/{guest}", env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}: run `make fixtures`"));
            let Measured::Parts(parts) = measure(&bytes).unwrap() else { panic!("{guest} is costly") };
            assert!((10..MAX_PARTS / 100).contains(&parts), "{guest}: {parts}");
        }
        let python = format!("{}/../../target/guest/fixtures/python-guest.wasm", env!("CARGO_MANIFEST_DIR"));
        if let Ok(bytes) = std::fs::read(python) {
            assert!(refuse_too_much(&bytes).is_ok());
        }
        let small = measure(&filter("", "")).unwrap();
        assert!(matches!(small, Measured::Parts(5..200)), "{small:?}");
    }
}
