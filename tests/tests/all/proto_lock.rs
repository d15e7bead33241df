//! The lock of the messages: edits only add. What was once recorded or sent must be understood for ever.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Label};

use crate::{golden, workspace};

const LOCK: &str = "tests/golden/proto.lock";

#[test]
fn messages_codes_and_methods_are_only_added() {
    let now = lines();
    let locked: BTreeSet<String> = workspace::read(LOCK).lines().map(str::to_owned).collect();
    let gone: Vec<_> = locked.difference(&now).cloned().collect();
    assert!(gone.is_empty(), "these were recorded or sent under their numbers and must stay:\n{}", gone.join("\n"));
    golden::assert_golden(LOCK, &now.iter().map(|line| format!("{line}\n")).collect::<String>());
}

/// Every field, code and method, one a line.
fn lines() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(mediation_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut lines = BTreeSet::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("mediation.")) {
        let package = file.package();
        for message in &file.message_type {
            describe(&mut lines, package, message);
        }
        for list in &file.enum_type {
            let values = list.value.iter();
            lines.extend(
                values.map(|value| format!("enum {package}.{} {} = {}", list.name(), value.number(), value.name())),
            );
        }
        for service in &file.service {
            lines.extend(service.method.iter().map(|method| {
                let stream = |streams: bool| if streams { "stream " } else { "" };
                let request = format!("{}{}", stream(method.client_streaming()), method.input_type());
                let response = format!("{}{}", stream(method.server_streaming()), method.output_type());
                format!("method {package}.{}.{}({request}) → {response}", service.name(), method.name())
            }));
        }
    }
    lines
}

fn describe(lines: &mut BTreeSet<String>, package: &str, message: &DescriptorProto) {
    let name = format!("{package}.{}", message.name());
    for field in &message.field {
        lines.insert(format!(
            "field {name} {} = {} {}{}",
            field.number(),
            field.name(),
            label(field),
            value_type(field)
        ));
    }
    for nested in &message.nested_type {
        describe(lines, &name, nested);
    }
}

fn label(field: &FieldDescriptorProto) -> &'static str {
    match field.label() {
        Label::Repeated => "repeated ",
        Label::Optional | Label::Required if field.proto3_optional() => "optional ",
        Label::Optional | Label::Required if field.oneof_index.is_some() => "oneof ",
        Label::Optional | Label::Required => "",
    }
}

fn value_type(field: &FieldDescriptorProto) -> String {
    if field.type_name().is_empty() {
        field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase()
    } else {
        field.type_name().to_owned()
    }
}
