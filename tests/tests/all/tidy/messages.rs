//! The `.proto` comments are the manual of the API: nothing in it goes without one.

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::assert_none;

#[test]
fn every_message_field_code_and_method_has_a_comment() {
    let set = FileDescriptorSet::decode(mediation_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut breaches = Vec::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("mediation.")) {
        let described = Described { file };
        for (at, message) in file.message_type.iter().enumerate() {
            described.message(&[4, index(at)], message, &mut breaches);
        }
        for (at, list) in file.enum_type.iter().enumerate() {
            described.check(&[5, index(at)], list.name(), &mut breaches);
            for (value, code) in list.value.iter().enumerate() {
                described.check(&[5, index(at), 2, index(value)], code.name(), &mut breaches);
            }
        }
        for (at, service) in file.service.iter().enumerate() {
            described.check(&[6, index(at)], service.name(), &mut breaches);
            for (method_at, method) in service.method.iter().enumerate() {
                described.check(&[6, index(at), 2, index(method_at)], method.name(), &mut breaches);
            }
        }
    }
    assert_none(&breaches);
}

struct Described<'a> {
    file: &'a FileDescriptorProto,
}

impl Described<'_> {
    fn message(&self, path: &[i32], message: &DescriptorProto, breaches: &mut Vec<String>) {
        self.check(path, message.name(), breaches);
        for (at, field) in message.field.iter().enumerate() {
            let name = format!("{}.{}", message.name(), field.name());
            self.check(&[path, &[2, index(at)]].concat(), &name, breaches);
        }
    }

    fn check(&self, path: &[i32], name: &str, breaches: &mut Vec<String>) {
        let locations = self.file.source_code_info.iter().flat_map(|info| &info.location);
        let comment =
            locations.filter(|location| location.path == path).find_map(|location| location.leading_comments.as_ref());
        if comment.is_none_or(|comment| comment.trim().is_empty()) {
            breaches.push(format!("{}: `{name}` has no comment", self.file.name()));
        }
    }
}

fn index(at: usize) -> i32 {
    i32::try_from(at).unwrap()
}
