//! Compiles the `.proto` files without protoc and derives, from their descriptors, what would otherwise be a mirror of
//! them: field tables, kinds, texts of the reasons, conversions between the desks' requests and `Act`.
#![expect(clippy::expect_used, reason = "a build script fails by panicking; the message names the descriptor")]
#![expect(clippy::wildcard_enum_match_arm, reason = "descriptor kinds that acts do not use are all refused alike")]

use std::{collections::BTreeMap, env, error::Error, fmt::Write as _, fs, path::Path};

use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    OneofDescriptor, Value,
};

const FILES: &[&str] = &[
    "mediation/desk/v1/desks.proto",
    "mediation/ledger/v1/act.proto",
    "mediation/ledger/v1/audit.proto",
    "mediation/ledger/v1/chain.proto",
    "mediation/ledger/v1/errors.proto",
    "mediation/ledger/v1/figures.proto",
    "mediation/ledger/v1/gateway.proto",
    "mediation/ledger/v1/identity.proto",
    "mediation/ledger/v1/log.proto",
    "mediation/ledger/v1/reading.proto",
    "mediation/ledger/v1/registry.proto",
    "mediation/ledger/v1/receipt.proto",
    "mediation/ledger/v1/signing.proto",
    "mediation/ledger/v1/statement.proto",
    "mediation/ledger/v1/vault.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=mediation");
    println!("cargo:rerun-if-changed=google");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?;
    let bytes = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(bytes.as_slice())?;
    let directory = env::var("OUT_DIR")?;
    let directory = Path::new(&directory);
    fs::write(directory.join("descriptors.bin"), &bytes)?;
    fs::write(directory.join("derived.rs"), derive(&pool)?)?;
    let descriptors = tonic_prost_build::FileDescriptorSet::decode(bytes.as_slice())?;
    tonic_prost_build::configure()
        .include_file("modules.rs")
        .bytes(".mediation.desk.v1")
        .bytes(".mediation.ledger.v1")
        .skip_debug([".mediation.ledger.v1.KeyMaterial"])
        .build_transport(true)
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .compile_fds(descriptors)?;
    Ok(())
}

fn derive(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let act = pool.get_message_by_name("mediation.ledger.v1.Act").ok_or("no message `Act`")?;
    let mut messages = BTreeMap::new();
    let mut enums = BTreeMap::new();
    reach(&act, &mut messages, &mut enums);
    let mut out = String::new();
    for descriptor in enums.values() {
        enum_table(&mut out, descriptor)?;
    }
    for descriptor in messages.values() {
        message_table(&mut out, descriptor)?;
        fields_impl(&mut out, descriptor)?;
    }
    kinds(&mut out, &act)?;
    reasons(&mut out, pool)?;
    desks(&mut out, pool, &act)?;
    Ok(out)
}

/// Collects every message and enum below `message`, but for the wrappers that only hold a oneof.
fn reach(
    message: &MessageDescriptor,
    messages: &mut BTreeMap<String, MessageDescriptor>,
    enums: &mut BTreeMap<String, EnumDescriptor>,
) {
    for field in message.fields() {
        match field.kind() {
            Kind::Message(inner) => {
                let wrapper = inner.oneofs().any(|oneof| !oneof.is_synthetic());
                if wrapper || messages.insert(inner.full_name().to_owned(), inner.clone()).is_none() {
                    reach(&inner, messages, enums);
                }
            }
            Kind::Enum(inner) => {
                enums.insert(inner.full_name().to_owned(), inner);
            }
            _ => {}
        }
    }
}

fn enum_table(out: &mut String, descriptor: &EnumDescriptor) -> std::fmt::Result {
    let prefix = format!("{}_", snake(descriptor.name()).to_uppercase());
    writeln!(out, "/// Codes of `{}`.", descriptor.name())?;
    writeln!(
        out,
        "pub static {}: EnumInfo = EnumInfo {{ name: {:?}, values: &[",
        table(descriptor.full_name()),
        descriptor.name()
    )?;
    for value in descriptor.values().filter(|value| value.number() != 0) {
        let code = value.name().strip_prefix(&prefix).expect("enum values carry the name of their enum");
        writeln!(out, "    ({}, {code:?}),", value.number())?;
    }
    writeln!(out, "] }};")
}

fn message_table(out: &mut String, descriptor: &MessageDescriptor) -> std::fmt::Result {
    writeln!(out, "/// Fields of `{}`.", descriptor.name())?;
    writeln!(
        out,
        "pub static {}: MessageInfo = MessageInfo {{ name: {:?}, fields: &[",
        table(descriptor.full_name()),
        descriptor.name()
    )?;
    for field in descriptor.fields() {
        let shape = match field.kind() {
            Kind::Bool => "Shape::Bool".to_owned(),
            Kind::Uint64 => "Shape::Int".to_owned(),
            Kind::String => "Shape::Text".to_owned(),
            Kind::Enum(inner) => format!("Shape::Enum(&{})", table(inner.full_name())),
            Kind::Message(inner) => format!("Shape::Message(&{})", table(inner.full_name())),
            other => panic!("`{}`: acts have no fields of kind {other:?}", field.full_name()),
        };
        writeln!(
            out,
            "    FieldInfo {{ number: {}, name: {:?}, repeated: {}, shape: {shape} }},",
            field.number(),
            field.name(),
            field.is_list()
        )?;
    }
    writeln!(out, "] }};")
}

fn fields_impl(out: &mut String, descriptor: &MessageDescriptor) -> std::fmt::Result {
    let mut counts = String::new();
    let mut values = String::new();
    for field in descriptor.fields() {
        let (number, name) = (field.number(), ident(field.name()));
        if field.cardinality() == Cardinality::Repeated {
            writeln!(counts, "            {number} => self.{name}.len(),")?;
            writeln!(values, "            {number} => self.{name}.get(at).map(|value| {}),", wrap(&field))?;
        } else {
            writeln!(counts, "            {number} => usize::from(self.{name}.is_some()),")?;
            writeln!(values, "            {number} if at == 0 => self.{name}.as_ref().map(|value| {}),", wrap(&field))?;
        }
    }
    let path = rust_path(descriptor.full_name());
    write!(
        out,
        "impl Fields for {path} {{
    fn info(&self) -> &'static MessageInfo {{
        &{}
    }}
    fn count(&self, number: u32) -> usize {{
        match number {{
{counts}            _ => 0,
        }}
    }}
    fn value(&self, number: u32, at: usize) -> Option<Value<'_>> {{
        match number {{
{values}            _ => None,
        }}
    }}
}}
",
        table(descriptor.full_name())
    )
}

fn wrap(field: &FieldDescriptor) -> &'static str {
    match field.kind() {
        Kind::Bool => "Value::Bool(*value)",
        Kind::Uint64 => "Value::Int(*value)",
        Kind::Enum(_) => "Value::Enum(*value)",
        Kind::String => "Value::Text(value.as_str())",
        Kind::Message(_) => "Value::Message(value)",
        other => panic!("`{}`: acts have no fields of kind {other:?}", field.full_name()),
    }
}

fn kinds(out: &mut String, act: &MessageDescriptor) -> Result<(), Box<dyn Error>> {
    let families: OneofDescriptor = act.oneofs().next().ok_or("`Act` has no families")?;
    let mut table_rows = String::new();
    let mut arms = String::new();
    let mut row = 0_usize;
    for family in families.fields() {
        let Kind::Message(wrapper) = family.kind() else { return Err("a family is not a message".into()) };
        let family_name = family.name();
        let family_variant = camel(family_name);
        writeln!(arms, "            act::Family::{family_variant}(family) => match family.act.as_ref()? {{")?;
        for event in wrapper.oneofs().next().ok_or("a family has no acts")?.fields() {
            let Kind::Message(message) = event.kind() else { return Err("an act is not a message".into()) };
            writeln!(
                table_rows,
                "    KindInfo {{ kind: \"{family_name}.{}\", event: {:?}, family: {family_name:?}, family_number: {}, number: {}, info: &{} }},",
                event.name(),
                message.name(),
                family.number(),
                event.number(),
                table(message.full_name())
            )?;
            let module = rust_path(wrapper.parent_file().package_name());
            writeln!(
                arms,
                "                {module}::{}::Act::{}(event) => (&KINDS[{row}], event),",
                snake(wrapper.name()),
                camel(event.name())
            )?;
            row += 1;
        }
        writeln!(arms, "            }},")?;
    }
    write!(
        out,
        "/// Every kind of act, in the order of the proto files.
pub static KINDS: [KindInfo; {row}] = [
{table_rows}];
impl Act {{
    /// The act itself and its row in [`KINDS`]; `None` when the message names no act.
    #[must_use]
    pub fn event(&self) -> Option<(&'static KindInfo, &dyn Fields)> {{
        use crate::mediation::ledger::v1::act;
        let event: (&'static KindInfo, &dyn Fields) = match self.family.as_ref()? {{
{arms}        }};
        Some(event)
    }}
}}
"
    )?;
    Ok(())
}

fn reasons(out: &mut String, pool: &DescriptorPool) -> Result<(), Box<dyn Error>> {
    let extension = pool.get_extension_by_name("mediation.ledger.v1.refusal").ok_or("no option `refusal`")?;
    let reasons = pool.get_enum_by_name("mediation.ledger.v1.Reason").ok_or("no enum `Reason`")?;
    writeln!(out, "impl crate::mediation::ledger::v1::Reason {{")?;
    writeln!(
        out,
        "    /// Code and texts.\n    #[must_use]\n    pub fn info(self) -> &'static ReasonInfo {{\n        match self {{"
    )?;
    for value in reasons.values() {
        let name = value.name().trim_start_matches("REASON_");
        let options = value.options();
        let refusal = options.get_extension(&extension);
        let Value::Message(refusal) = &*refusal else { return Err("`refusal` is not a message".into()) };
        let text = |field: &str| text_of(refusal, field);
        let code = refusal
            .get_field_by_name("status_code")
            .and_then(|value| value.as_i32())
            .filter(|code| *code != 0)
            .unwrap_or(13);
        let retry = refusal.get_field_by_name("retry").and_then(|value| value.as_bool()).unwrap_or_default();
        writeln!(
            out,
            "            Self::{} => &ReasonInfo {{ name: {name:?}, status_code: {code}, en: {:?}, zh: {:?}, action_en: {:?}, action_zh: {:?}, retry: {retry} }},",
            camel(&name.to_lowercase()),
            text("en"),
            text("zh"),
            text("action_en"),
            text("action_zh")
        )?;
    }
    writeln!(out, "        }}\n    }}\n}}")?;
    Ok(())
}

fn text_of(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn desks(out: &mut String, pool: &DescriptorPool, act: &MessageDescriptor) -> Result<(), Box<dyn Error>> {
    let extension = pool.get_extension_by_name("mediation.desk.v1.agency_kinds").ok_or("no option `agency_kinds`")?;
    let all = act.oneofs().next().ok_or("`Act` has no families")?.fields().count();
    let mut rows = String::new();
    for service in pool.services().filter(|service| service.parent_file().package_name() == "mediation.desk.v1") {
        let options = service.options();
        let kinds = options.get_extension(&extension);
        let kinds = kinds.as_list().ok_or("`agency_kinds` is not a list")?;
        let kinds: Vec<i32> = kinds.iter().filter_map(Value::as_enum_number).collect();
        let input = |name: &str| service.methods().find(|method| method.name() == name).map(|method| method.input());
        let record = input("Record").ok_or("a desk has no method `Record`")?;
        let prepare = input("Prepare").ok_or("a desk has no method `Prepare`")?;
        let (full, name) = (service.full_name(), service.name());
        writeln!(rows, "    DeskInfo {{ service: {full:?}, name: {name:?}, agency_kinds: &{kinds:?} }},")?;
        desk_request(out, name, &record, all)?;
        prepare_request(out, &prepare, &record)?;
    }
    writeln!(out, "/// Every desk and the kinds of agency it serves.\npub static DESKS: &[DeskInfo] = &[\n{rows}];")?;
    Ok(())
}

/// Conversions between a desk's request and what all desks have in common. `all` is the number of families there are.
fn desk_request(out: &mut String, desk: &str, request: &MessageDescriptor, all: usize) -> Result<(), Box<dyn Error>> {
    let path = rust_path(request.full_name());
    let module = format!("crate::mediation::desk::v1::{}", snake(request.name()));
    let families = request.oneofs().find(|oneof| !oneof.is_synthetic()).ok_or("a desk's request has no acts")?;
    let mut to_act = String::new();
    let mut from_act = String::new();
    for family in families.fields() {
        let variant = camel(family.name());
        writeln!(to_act, "            {module}::Act::{variant}(family) => act::Family::{variant}(family),")?;
        writeln!(from_act, "            Some(act::Family::{variant}(family)) => {module}::Act::{variant}(family),")?;
    }
    let (other, given) = if families.fields().count() < all { ("other", "other.is_some()") } else { ("None", "false") };
    writeln!(from_act, "            {other} => return Err(NotOfThisDesk {{ desk: {desk:?}, given: {given} }}),")?;
    let fields = ["chain_id", "event_id", "expected_revision", "occurred_at", "wait"];
    let fields: String = fields.iter().map(|field| format!("            {field}: request.{field},\n")).collect();
    write!(
        out,
        "impl From<{path}> for ActRequest {{
    fn from(request: {path}) -> Self {{
        use crate::mediation::ledger::v1::act;
        let family = request.act.map(|family| match family {{
{to_act}        }});
        Self {{
{fields}            act: Act {{ header: request.header, family }},
        }}
    }}
}}
impl TryFrom<ActRequest> for {path} {{
    type Error = NotOfThisDesk;
    fn try_from(request: ActRequest) -> Result<Self, NotOfThisDesk> {{
        use crate::mediation::ledger::v1::act;
        let act = match request.act.family {{
{from_act}        }};
        Ok(Self {{
{fields}            header: request.act.header,
            act: Some(act),
        }})
    }}
}}
"
    )?;
    Ok(())
}

/// Conversions between a desk's request to prepare an act and what all desks have in common.
fn prepare_request(out: &mut String, prepare: &MessageDescriptor, record: &MessageDescriptor) -> std::fmt::Result {
    let (path, record) = (rust_path(prepare.full_name()), rust_path(record.full_name()));
    write!(
        out,
        "impl From<{path}> for PrepareRequest {{
    fn from(request: {path}) -> Self {{
        Self {{ request: request.request.unwrap_or_default().into(), key_id: request.key_id }}
    }}
}}
impl TryFrom<PrepareRequest> for {path} {{
    type Error = NotOfThisDesk;
    fn try_from(request: PrepareRequest) -> Result<Self, NotOfThisDesk> {{
        let PrepareRequest {{ request, key_id }} = request;
        Ok(Self {{ request: Some({record}::try_from(request)?), key_id }})
    }}
}}
"
    )
}

/// Path of a generated item: `mediation.court.v1.CourtAct` becomes `crate::mediation::court::v1::CourtAct`.
fn rust_path(full_name: &str) -> String {
    format!("crate::{}", full_name.replace('.', "::"))
}

/// Name of the static that holds a table.
fn table(full_name: &str) -> String {
    let mut parts =
        full_name.split('.').filter(|part| *part != "mediation" && *part != "v1").map(snake).collect::<Vec<_>>();
    if parts.len() < 2 {
        parts.insert(0, "mediation".to_owned());
    }
    parts.join("_").to_uppercase()
}

fn ident(name: &str) -> String {
    const KEYWORDS: &[&str] =
        &["type", "ref", "final", "in", "mod", "match", "move", "use", "where", "box", "do", "fn", "for"];
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let previous = at.checked_sub(1).and_then(|before| letters.get(before));
        let next = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && previous.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_uppercase() && next.is_some_and(|after| after.is_lowercase()))
            });
        if begins {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
        })
        .collect()
}
