//! Masks: what is shown in place of what identifies a person.
//!
//! ```text
//! 张三丰 → 张*               欧阳修 → 欧阳*
//! 360281198501011234 → 3602**********1234      13812345678 → 138****5678
//! 景德镇市乐平市洎阳街道某路1号 → 景德镇市乐平市洎阳街道
//! ```
//!
//! Minors have no name at all (未成年人保护法 103): `未成年人A`, `未成年人B` in the order in which the chain names them.

use mediation_proto::mediation::types::v1::Identity;

/// Name of a minor by its place among those of the chain, from 0: `未成年人A`, …, `未成年人Z`, `未成年人27`.
#[must_use]
pub fn minor_name(place: usize) -> String {
    let letter = u8::try_from(place).ok().filter(|place| *place < 26).map(|place| char::from(b'A' + place));
    letter.map_or_else(|| format!("未成年人{}", place.saturating_add(1)), |letter| format!("未成年人{letter}"))
}

/// A name by its surname alone; names that are not written in Chinese by their first letter.
#[must_use]
pub fn mask_name(name: &str) -> String {
    let name = name.trim();
    let letters = name.chars().count();
    let surname = if letters > 2 && COMPOUND_SURNAMES.iter().any(|surname| name.starts_with(surname)) { 2 } else { 1 };
    // Of a name of one letter nothing is left to hide behind.
    let kept: String = name.chars().take(surname.min(letters.saturating_sub(1))).collect();
    format!("{kept}*")
}

/// A number by its ends: four and three of eighteen letters, three and four of eleven, else the last four. Of one that is so
/// short that its ends tell it, nothing.
#[must_use]
pub fn mask_number(number: &str) -> String {
    let letters: Vec<char> = number.chars().collect();
    let (head, tail) = match letters.len() {
        18 => (4, 4),
        11 => (3, 4),
        8.. => (0, 4),
        _ => (0, 0),
    };
    let hidden = letters.len() - head - tail;
    let masked =
        letters.iter().enumerate().map(|(at, letter)| if (head..head + hidden).contains(&at) { '*' } else { *letter });
    masked.collect()
}

/// An address down to its township or street; nothing of one that names none.
#[must_use]
pub fn mask_address(address: &str) -> String {
    // 景德镇市 and 新乡市 are no townships.
    let ends_township = |end: &usize| !address.get(*end..).is_some_and(|rest| rest.starts_with(['市', '区', '县']));
    let ends = TOWNSHIPS.iter().flat_map(|unit| address.match_indices(unit).map(|(at, unit)| at + unit.len()));
    let end = ends.filter(ends_township).min();
    let kept = end.and_then(|end| address.get(..end));
    // 西山路12号镇政府宿舍: what stands before is a street then, and no township.
    let tells_more = |text: &str| text.contains(|letter: char| letter.is_numeric() || STREETS.contains(&letter));
    kept.filter(|text| !tells_more(text.trim_end_matches("街道"))).unwrap_or("*").to_owned()
}

/// The identity of a party as a reader sees it who may see it masked. `minor` is its place among the minors of the chain,
/// for a minor: then nothing but that is left.
#[must_use]
pub fn mask_identity(identity: &Identity, minor: Option<usize>) -> Identity {
    let mut masked = Identity { subject: identity.subject.clone(), ..Identity::default() };
    if let Some(place) = minor {
        masked.name = Some(minor_name(place));
        return masked;
    }
    masked.name = identity.name.as_deref().map(mask_name);
    masked.id_kind = identity.id_kind;
    masked.id_masked = identity.id_masked.as_deref().map(mask_number);
    masked.phone = identity.phone.as_deref().map(mask_number);
    masked.address = identity.address.as_deref().map(mask_address);
    // That of a sole trader leads to his name.
    masked.credit_code = identity.credit_code.as_deref().map(mask_number);
    masked
}

/// How the names of units end at the level of a township.
const TOWNSHIPS: [&str; 5] = ["街道", "镇", "乡", "管委会", "总场"];

/// Letters that stand in the names of streets and houses.
const STREETS: [char; 8] = ['路', '号', '街', '巷', '弄', '栋', '幢', '室'];

/// Surnames of two letters (复姓) that are in use.
const COMPOUND_SURNAMES: [&str; 40] = [
    "欧阳", "太史", "端木", "上官", "司马", "东方", "独孤", "南宫", "万俟", "闻人", "夏侯", "诸葛", "尉迟", "公羊",
    "赫连", "澹台", "皇甫", "宗政", "濮阳", "公冶", "太叔", "申屠", "公孙", "慕容", "仲孙", "钟离", "长孙", "宇文",
    "司徒", "鲜于", "司空", "闾丘", "子车", "亓官", "司寇", "巫马", "公西", "颛孙", "令狐", "呼延",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_the_surname_is_left() {
        for (name, masked) in [
            ("张三丰", "张*"),
            ("张三", "张*"),
            ("欧阳修", "欧阳*"),
            ("欧阳", "欧*"),
            ("李", "*"),
            ("", "*"),
            ("Ann Lee", "A*"),
        ] {
            assert_eq!(mask_name(name), masked, "{name}");
        }
    }

    #[test]
    fn of_a_number_the_ends_are_left_when_something_stays_hidden() {
        for (number, masked) in [
            ("36028119850101123X", "3602**********123X"),
            ("13812345678", "138****5678"),
            ("360281850101123", "***********1123"),
            ("6222020000001234567", "***************4567"),
            ("0798-8221", "*****8221"),
            ("1234567", "*******"),
            ("", ""),
        ] {
            assert_eq!(mask_number(number), masked, "{number}");
        }
    }

    #[test]
    fn an_address_ends_at_the_township_and_a_city_is_none() {
        for (address, masked) in [
            ("江西省景德镇市乐平市洎阳街道某路1号", "江西省景德镇市乐平市洎阳街道"),
            ("景德镇市浮梁县鹅湖镇曹村组3号", "景德镇市浮梁县鹅湖镇"),
            ("景德镇市昌江区荷塘乡童坊村", "景德镇市昌江区荷塘乡"),
            ("景德镇市昌江区某小区2栋", "*"),
            ("昌江区西山路12号镇政府宿舍3单元", "*"),
            ("珠山区某大道88号新城镇花园3栋", "*"),
        ] {
            assert_eq!(mask_address(address), masked, "{address}");
        }
    }

    #[test]
    fn a_minor_has_no_name_no_number_and_no_address() {
        let identity = Identity {
            subject: Some("psn_1".to_owned()),
            name: Some("王小明".to_owned()),
            phone: Some("13812345678".to_owned()),
            address: Some("乐平市洎阳街道1号".to_owned()),
            birth_date: Some("2014-02-03".to_owned()),
            ..Identity::default()
        };
        let expected =
            Identity {
                subject: identity.subject.clone(), name: Some("未成年人B".to_owned()), ..Identity::default()
            };
        assert_eq!(mask_identity(&identity, Some(1)), expected);
        assert_eq!(minor_name(26), "未成年人27");
        assert_eq!(mask_identity(&identity, None).birth_date, None);
    }
}
