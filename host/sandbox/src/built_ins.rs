//! Fuel for the built-in functions with which a component makes handles of its own resources.
//!
//! wasmtime charges nothing for `resource.new`, `resource.drop` and `resource.rep`: a loop of
//! them takes thirty times as long as its fuel says. So a component is rewritten before it is
//! compiled: each `resource.new` and `resource.rep` gets a core function around it that uses
//! fuel first. A `resource.drop` needs none, since each is of a handle that was made before
//! (the host's own resources come of calls that were paid for). Only what exports resources
//! has these functions: all else is compiled as it is. Each wrapper is one of the component's
//! core instances.

use std::borrow::Cow;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CodeSection, Component, ComponentAliasSection, ComponentSectionId, EntityType,
    ExportKind, ExportSection, Function, FunctionSection, ImportSection, InstanceSection, Module, ModuleArg,
    ModuleSection, RawSection, TypeSection, ValType,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, CustomSectionReader, Encoding, ExternalKind, Instance, Parser, Payload,
    SectionLimited,
};

use crate::error::LoadError;

/// Fuel that making a handle costs, or asking what it stands for: as much as any call of the
/// host. With `resource.drop` it takes about 75 ns, and so many instructions 50.
const FUEL: u32 = 200;

/// Most components within each other; wasmtime's own tools make three.
const MAX_DEPTH: usize = 100;

/// Name of the wrapped function, and of the wrapper.
const NAME: &str = "f";

/// The component with its handles paid for; as it is, if it makes none. What is malformed is
/// left to wasmtime, which says what is wrong with it.
///
/// # Errors
/// Its components lie too deep within each other.
pub(crate) fn charge_built_ins(component: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    let unlike = |what: &str| LoadError::Compile(wasmtime::Error::msg(what.to_owned()));
    match makes_handles(component) {
        Ok(Found::Handles) => {
            let (mut charging, mut charged) = (Charging::default(), Component::new());
            component_utils::parse_component(&mut charging, &mut charged, Parser::new(0), component, component)
                .map_err(|error| unlike(&error.to_string()))?;
            Ok(Cow::Owned(charged.finish()))
        }
        Ok(Found::TooDeep) => Err(unlike(&format!("more than {MAX_DEPTH} components lie within each other"))),
        Ok(Found::Nothing) | Err(_) => Ok(Cow::Borrowed(component)),
    }
}

/// What a component has that matters here.
enum Found {
    Nothing,
    Handles,
    TooDeep,
}

fn makes_handles(component: &[u8]) -> wasmparser::Result<Found> {
    let (mut depth, mut found) = (0_usize, Found::Nothing);
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth = depth.saturating_add(1),
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    if is_charged(&function?) {
                        found = Found::Handles;
                    }
                }
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Ok(Found::TooDeep);
        }
    }
    Ok(found)
}

/// Functions that take a number and give one.
fn is_charged(function: &CanonicalFunction) -> bool {
    matches!(function, CanonicalFunction::ResourceNew { .. } | CanonicalFunction::ResourceRep { .. })
}

/// Writes a component anew, with a wrapper around each function that is charged.
#[derive(Default)]
struct Charging {
    /// The component whose end is the next.
    here: Scope,
    /// Those around it, from the outermost on.
    around: Vec<Scope>,
}

/// What things of a component are called once it is rewritten.
#[derive(Default)]
struct Scope {
    functions: Indices,
    instances: Indices,
}

/// The new index of each index. In the new component there are more.
#[derive(Default)]
struct Indices {
    of: Vec<u32>,
    next: u32,
}

impl Indices {
    /// Takes a new index that the old component doesn't know.
    fn take(&mut self) -> u32 {
        let index = self.next;
        self.next = index.saturating_add(1);
        index
    }

    /// Takes the new index of the next old one.
    fn take_next(&mut self) {
        let index = self.take();
        self.of.push(index);
    }

    /// What isn't there stays so.
    fn of(&self, index: u32) -> u32 {
        usize::try_from(index).ok().and_then(|index| self.of.get(index)).copied().unwrap_or(u32::MAX)
    }
}

impl Charging {
    /// Wraps the core function that was defined last.
    fn wrap(&mut self, component: &mut Component) {
        let scope = &mut self.here;
        let raw = scope.functions.take();
        let (given, wrapper) = (scope.instances.take(), scope.instances.take());
        scope.functions.take_next();
        let mut instances = InstanceSection::new();
        instances.export_items([(NAME, ExportKind::Func, raw)]);
        instances.instantiate(WRAPPER, [("", ModuleArg::Instance(given))]);
        component.section(&instances);
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::CoreInstanceExport { instance: wrapper, kind: ExportKind::Func, name: NAME });
        component.section(&aliases);
    }
}

impl Reencode for Charging {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error<Infallible>> {
        Ok(self.here.functions.of(index))
    }
}

impl ReencodeComponent for Charging {
    fn instance_index(&mut self, index: u32) -> u32 {
        self.here.instances.of(index)
    }

    fn push_depth(&mut self) {
        self.around.push(std::mem::take(&mut self.here));
    }

    fn pop_depth(&mut self) {
        self.here = self.around.pop().unwrap_or_default();
    }

    /// In each component the wrapper is the first.
    fn module_index(&mut self, index: u32) -> u32 {
        index.saturating_add(1)
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), Error<Infallible>> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                component.section(&ModuleSection(&wrapper()));
                Ok(())
            }
            Payload::ComponentCanonicalSection(section) => self.charge(component, section),
            // As it is: its own functions keep their numbers.
            Payload::ModuleSection { unchecked_range, .. } => {
                let data = whole.get(unchecked_range).unwrap_or_default();
                component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data });
                Ok(())
            }
            payload => component_utils::parse_component_payload(self, component, payload, whole),
        }
    }

    fn parse_instance(
        &mut self,
        instances: &mut InstanceSection,
        instance: Instance<'_>,
    ) -> Result<(), Error<Infallible>> {
        component_utils::parse_instance(self, instances, instance)?;
        self.here.instances.take_next();
        Ok(())
    }

    fn component_alias<'a>(&mut self, alias: ComponentAlias<'a>) -> Result<Alias<'a>, Error<Infallible>> {
        let is_function = matches!(
            alias,
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func | ExternalKind::FuncExact, .. }
        );
        let alias = component_utils::component_alias(self, alias)?;
        if is_function {
            self.here.functions.take_next();
        }
        Ok(alias)
    }

    /// Names of things by their numbers, which nobody reads.
    fn parse_component_custom_section(
        &mut self,
        _: &mut Component,
        _: CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        Ok(())
    }
}

impl Charging {
    fn charge(
        &mut self,
        component: &mut Component,
        section: SectionLimited<'_, CanonicalFunction>,
    ) -> Result<(), Error<Infallible>> {
        for function in section {
            let function = function?;
            let (charged, lifts) = (is_charged(&function), matches!(function, CanonicalFunction::Lift { .. }));
            let mut functions = CanonicalFunctionSection::new();
            self.parse_component_canonical(&mut functions, function)?;
            component.section(&functions);
            if charged {
                self.wrap(component);
            } else if !lifts {
                self.here.functions.take_next();
            }
        }
        Ok(())
    }
}

/// The wrapper's index among a component's modules.
const WRAPPER: u32 = 0;

/// A module whose function uses fuel, then does what the one does that it is given.
fn wrapper() -> Module {
    let (mut types, mut imports, mut functions) = (TypeSection::new(), ImportSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    imports.import("", NAME, EntityType::Function(0));
    functions.function(0);
    exports.export(NAME, ExportKind::Func, 1);
    let mut function = Function::new([]);
    let mut body = function.instructions();
    for _ in 0..FUEL {
        // It costs one, and no code is made of it.
        body.i32_const(0).drop();
    }
    body.local_get(0).call(0).end();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module
}

#[cfg(test)]
#[path = "built_ins_tests.rs"]
mod tests;
