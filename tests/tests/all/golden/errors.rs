//! `docs/errors.md` is made from `errors.proto`.

use std::fmt::Write as _;

use mediation_proto::{FILE_DESCRIPTOR_SET, ReasonInfo, mediation::ledger::v1::Reason};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::assert_golden;

const HEAD: &str = "\
# Errors

Every reason for which the ledger refuses or fails. Made from `proto/mediation/ledger/v1/errors.proto` by `just golden`; do
not edit.

A failed call carries `google.rpc` details: `ErrorInfo` with `reason` as below and `domain` `mediation-ledger`,
`RequestInfo` with the id to report, `LocalizedMessage` with the Chinese text, and by code `BadRequest` (every malformed
field), `PreconditionFailure`, `ResourceInfo` or `RetryInfo`. A refusal changes nothing: the tree does not grow.

拒绝不改变账本：凡被拒绝的请求，树大小不变。
";

#[test]
fn the_errors_document_is_made_from_the_reasons() {
    let mut document = HEAD.to_owned();
    let mut reasons = 0;
    for (reason, cause) in reasons_and_causes() {
        section(&mut document, reason.info(), &cause);
        reasons += 1;
    }
    assert!(reasons > 20, "only {reasons} reasons were found");
    assert_golden("docs/errors.md", &document);
}

#[test]
fn every_reason_says_what_happened_and_what_to_do_in_both_languages() {
    for (reason, cause) in reasons_and_causes() {
        let info = reason.info();
        for text in [info.en, info.zh, info.action_en, info.action_zh, &cause] {
            assert!(!text.is_empty(), "`{}` lacks a text", info.name);
        }
        for text in [info.zh, info.action_zh] {
            assert!(
                text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)),
                "`{}`: `{text}` is not Chinese",
                info.name
            );
        }
        assert!(!info.en.ends_with('.') && !info.zh.ends_with('。'), "`{}` ends in a full stop", info.name);
    }
}

#[test]
fn a_reason_that_may_be_retried_has_a_code_that_clients_retry_or_is_contended() {
    for (reason, _) in reasons_and_causes() {
        let info = reason.info();
        // ABORTED, RESOURCE_EXHAUSTED, UNAVAILABLE, INTERNAL
        assert!(
            !info.retry || [8, 10, 13, 14].contains(&info.status_code),
            "`{}` says retry under code {}",
            info.name,
            info.status_code
        );
    }
}

fn section(document: &mut String, info: &ReasonInfo, cause: &str) {
    let retry =
        if info.retry { "yes, with the same event id · 可以，使用同一行为编号" } else { "no · 否" };
    write!(
        document,
        "\n## {}\n\n{cause}\n\n| | |\n|---|---|\n| code | `{}` |\n| English | {} |\n| 中文 | {} |\n| what to do | {} |\n| 处理办法 | {} |\n| retry · 可否重试 | {retry} |\n",
        info.name,
        code_name(info.status_code),
        info.en,
        info.zh,
        info.action_en,
        info.action_zh
    )
    .unwrap();
}

/// Every reason but the one that is not given, with the comment above it.
fn reasons_and_causes() -> Vec<(Reason, String)> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let file = set.file.iter().find(|file| file.name().ends_with("ledger/v1/errors.proto")).unwrap();
    let list = file.enum_type.iter().position(|list| list.name() == "Reason").unwrap();
    let locations = &file.source_code_info.as_ref().unwrap().location;
    let comment = |value: usize| {
        let path = [5, list, 2, value].map(|part| i32::try_from(part).unwrap());
        let location = locations.iter().find(|location| location.path == path);
        location.and_then(|location| location.leading_comments.clone()).unwrap_or_default().trim().replace("\n ", " ")
    };
    let values = file.enum_type.get(list).unwrap().value.iter().enumerate();
    let reasons = values.map(|(at, value)| (Reason::try_from(value.number()).unwrap(), comment(at)));
    reasons.filter(|(reason, _)| *reason != Reason::Unspecified).collect()
}

fn code_name(code: i32) -> &'static str {
    match code {
        3 => "INVALID_ARGUMENT",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        other => panic!("{other} is no code that the ledger answers"),
    }
}
