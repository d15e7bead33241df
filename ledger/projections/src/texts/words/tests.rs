//! What is cut how, and that a text is found by what stands in it.

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

fn words(text: &str) -> Vec<String> {
    Words::parse(text).unwrap().0.into_iter().collect()
}

fn holds(text: &str, asked: &str) -> bool {
    Words::parse(asked).unwrap().are_in(&[text.to_owned()])
}

#[test]
fn chinese_is_cut_by_the_dictionary_and_the_rest_by_its_runs() {
    for (asked, expected) in [
        ("漏水", vec!["漏水"]),
        ("  漏水\u{3000}赔偿 ", vec!["漏水", "赔偿"]),
        ("漏水，漏水！", vec!["漏水"]),
        ("屋顶坝塘", vec!["坝塘", "屋顶"]),
        ("排水渠堵塞", vec!["堵塞", "排水渠"]),
        ("3号楼502室", vec!["3", "502", "号楼", "室"]),
        ("ＡＢＣ１２３", vec!["abc123"]),
        ("Smith’s", vec!["s", "smith"]),
        ("①㈱", vec!["1", "株"]),
        ("漏\u{200b}水", vec!["漏水"]),
        ("\u{202e}漏水\u{202c}", vec!["漏水"]),
        ("〇〇七", vec!["〇〇七"]),
    ] {
        assert_eq!(words(asked), expected, "{asked}");
    }
}

#[test]
fn what_cannot_be_looked_for_says_why_and_never_the_text() {
    for (asked, expected) in [
        ("", WordsError::NoWord),
        ("  ，。！", WordsError::NoWord),
        ("😀👍🏽", WordsError::NoWord),
        ("\u{202e}\u{200b}\u{feff}", WordsError::NoWord),
        (&"水".repeat(65), WordsError::TooLong { characters: 65 }),
        ("甲 乙 丙 丁 戊 己 庚 辛 壬", WordsError::TooMany { words: 9 }),
    ] {
        assert_eq!(Words::parse(asked), Err(expected));
    }
    assert!(Words::parse(&"水".repeat(64)).is_ok(), "one word, over and over");
    assert_eq!(format!("{:?}", Words::parse("漏水 赔偿").unwrap()), "Words(2)");
}

#[test]
fn a_text_holds_words_wherever_they_stand_and_only_whole_ones() {
    let text = "三楼住户屋顶漏水，水管老化；Ｗｉ-Fi 断开\u{200b}，要求 赔\u{ad}偿 5000元😀。";
    for asked in
        ["漏水", "水", "屋顶漏水", "漏水 赔偿", "WIFI 漏水".get(2..4).unwrap(), "5000", "wi", "老化 住户", "顶漏"]
    {
        assert!(holds(text, asked), "{asked}");
    }
    for asked in ["渗水", "漏水 渗水", "500", "水漏", "50000"] {
        assert!(!holds(text, asked), "{asked}");
    }
    assert!(!holds("屋頂漏水", "屋顶"), "traditional and simplified letters are different letters");
    assert!(Words::parse("甲 乙").unwrap().are_in(&["甲".to_owned(), "乙".to_owned()]), "one act, two fields");
}

#[test]
fn an_excerpt_has_eighty_characters_at_most_around_the_first_word() {
    let excerpt = |text: &str, asked: &str| Words::parse(asked).unwrap().excerpt(&[text.to_owned()]);
    assert_eq!(excerpt("屋顶漏水", "漏水").as_deref(), Some("屋顶漏水"));
    assert_eq!(excerpt("屋顶\n漏水\t了", "漏水").as_deref(), Some("屋顶 漏水 了"));
    assert_eq!(excerpt("屋顶漏水", "渗"), None);
    let long = format!("{}漏水{}", "前".repeat(500), "后".repeat(500));
    let cut = excerpt(&long, "漏水").unwrap();
    assert_eq!(cut.chars().count(), 80);
    assert_eq!(cut, format!("…{}漏水{}…", "前".repeat(20), "后".repeat(56)));
    let behind = excerpt(&format!("漏水{}", "后".repeat(500)), "漏水").unwrap();
    assert_eq!((behind.chars().count(), behind.chars().last()), (80, Some('…')));
    // The place is that of the text as it stands, whatever the folding makes of what comes before.
    assert_eq!(excerpt(&format!("{}漏水", "㍿".repeat(30)), "漏水").unwrap(), format!("…{}漏水", "㍿".repeat(20)));
}

#[test]
fn ten_thousand_characters_are_cut_in_time() {
    let text = "上海铁路局职工家属院三号楼屋顶漏水，".repeat(600);
    assert!(text.chars().count() > 10_000);
    // The dictionary is loaded once, and not for this text.
    assert!(holds("漏水", "漏水"));
    let began = Instant::now();
    assert!(holds(&text, "铁路局 漏水"));
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let hostile = ["\u{202e}\u{200f}漏\u{202c}", "ﷺ", "漏", "😀", "a\u{301}"].map(|piece| piece.repeat(2_500)).concat();
    assert!(holds(&hostile, "漏"));
}

/// Texts as agencies write them, and as nobody does.
fn text() -> impl Strategy<Value = String> {
    let letters =
        "[漏水屋顶排渠堵塞调解协议赔偿人民法院上海铁路局职工，。 a-cＡＢ0-9１😀\u{200b}\u{202e}豈〇\u{20000}é]{0,40}";
    prop_oneof![letters, "\\PC{0,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_is_found_by_every_piece_of_its_han(before in text(), piece in "[漏水屋顶排渠堵塞调解协议赔偿人民法院上海铁路局职工豈〇\u{20000}]{1,8}", after in text()) {
        if let Ok(words) = Words::parse(&piece) {
            let text = [before, piece, after].concat();
            prop_assert!(words.are_in(&[text]));
        }
    }

    #[test]
    fn a_text_is_found_by_itself_and_its_excerpt_stands_in_it(text in text()) {
        if let Ok(words) = Words::parse(&text) {
            let texts = [text.clone()];
            prop_assert!(words.are_in(&texts));
            let excerpt = words.excerpt(&texts).unwrap();
            prop_assert!(excerpt.chars().count() <= 80);
        }
    }
}
