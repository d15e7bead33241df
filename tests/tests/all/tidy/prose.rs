//! Documents: one title each, links that lead somewhere, files that exist.

use std::collections::BTreeSet;

use super::{assert_none, breach};
use crate::workspace::{File, files, root};

#[test]
fn every_document_has_one_title_and_begins_with_it() {
    let mut breaches = Vec::new();
    for file in documents() {
        let titles = outside_of_code(file).filter(|(_, line)| line.starts_with("# ")).count();
        if titles != 1 || !file.text.starts_with("# ") {
            breaches.push(breach(file, 0, &format!("{titles} titles; there must be one, in the first line")));
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut breaches = Vec::new();
    for file in documents() {
        for (line, text) in outside_of_code(file) {
            let broken = links(text).filter(|link| !leads_somewhere(file, link));
            breaches.extend(broken.map(|link| breach(file, line, &format!("`{link}` leads nowhere"))));
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_document_that_is_named_exists() {
    let mut breaches = Vec::new();
    let names: BTreeSet<&str> = documents().flat_map(|file| [file.path.as_str(), base_name(&file.path)]).collect();
    for file in files().iter().filter(|file| !file.path.starts_with("proto/google/")) {
        for (line, text) in file.text.lines().enumerate() {
            let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_./".contains(letter));
            let named = words
                .filter(|word| word.len() > 3 && word.ends_with(".md"))
                .map(|word| word.trim_start_matches(['.', '/']));
            let unknown = named
                .filter(|word| !names.contains(word) && !names.iter().any(|name| name.ends_with(&format!("/{word}"))));
            breaches.extend(unknown.map(|word| breach(file, line, &format!("there is no document `{word}`"))));
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_document_is_linked_from_another() {
    let linked: BTreeSet<_> = documents()
        .flat_map(|file| outside_of_code(file).flat_map(|(_, line)| links(line)).map(move |link| target(file, link)))
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let lonely = documents().filter(|file| !["README.md", "CHANGELOG.md"].contains(&file.path.as_str()));
    let lonely = lonely.filter(|file| !linked.contains(&root().join(&file.path).canonicalize().unwrap()));
    assert_none(&lonely.map(|file| format!("{}: no other document links to it", file.path)).collect::<Vec<_>>());
}

fn documents() -> impl Iterator<Item = &'static File> {
    files().iter().filter(|file| file.is(".md"))
}

/// Lines of a document that are no code, with their numbers from 0.
fn outside_of_code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    file.text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// Targets of the Markdown links of a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn leads_somewhere(file: &File, link: &str) -> bool {
    if link.starts_with("https://") {
        return true;
    }
    let path = target(file, link);
    let Some((_, anchor)) = link.split_once('#') else { return path.exists() };
    let Ok(path) = path.canonicalize() else { return false };
    let linked =
        documents().find(|document| root().join(&document.path).canonicalize().is_ok_and(|other| other == path));
    linked.is_some_and(|document| outside_of_code(document).any(|(_, line)| slug(line).as_deref() == Some(anchor)))
}

/// The file that a link from this document means.
fn target(file: &File, link: &str) -> std::path::PathBuf {
    let path = link.split('#').next().unwrap_or_default();
    let document = root().join(&file.path);
    if path.is_empty() { document } else { document.parent().unwrap().join(path) }
}

/// Anchor of a heading.
fn slug(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
