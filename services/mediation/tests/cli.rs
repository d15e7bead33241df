//! The command line itself: help in both languages, exit codes. Having this test also makes cargo build the binary for
//! the tests of the workspace.

#[cfg(test)]
mod cli {
    use std::process::Command;

    fn mediation(arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_mediation")).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn every_command_explains_itself_in_chinese_and_english() {
        let (code, help, _) = mediation(&["--help"]);
        assert_eq!(code, Some(0));
        for command in [
            "init",
            "serve",
            "demo",
            "record",
            "chain",
            "replay",
            "rules",
            "clock",
            "city",
            "figures",
            "findings",
            "verify",
            "log",
            "witness",
            "key",
            "log-key",
            "reincarnate",
            "config",
            "bench",
        ] {
            assert!(help.contains(command), "{help}");
            let (code, own, _) = mediation(&[command, "--help"]);
            assert_eq!(code, Some(0));
            assert!(own.contains(" · "), "`{command} --help` speaks one language only:\n{own}");
        }
    }

    #[test]
    fn exit_codes_mean_something() {
        assert_eq!(mediation(&["replay"]).0, Some(2), "wrong usage");
        assert_eq!(mediation(&["verify", "/nonexistent"]).0, Some(5), "trouble on this machine");
        let (code, _, error) = mediation(&["replay", "/nonexistent/G01.json"]);
        assert_eq!(code, Some(5));
        assert!(error.contains("/nonexistent/G01.json"), "{error}");
        let (code, _, error) = mediation(&["init", "--dir", "/nonexistent/ledger", "--rule-set", "cn-1999"]);
        assert_eq!(code, Some(5));
        assert!(error.contains("没有规则集“cn-1999”") && error.contains("there is no rule set `cn-1999`"), "{error}");
        assert_eq!(mediation(&["rules", "cn-1999"]).0, Some(5));
        assert_eq!(mediation(&["findings", "--dir", "/nonexistent"]).0, Some(5));
        let (code, _, error) = mediation(&["serve", "--dir", "/nonexistent"]);
        assert_eq!(code, Some(5));
        assert!(error.contains("/nonexistent"), "{error}");
    }
}
