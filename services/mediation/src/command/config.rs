//! `mediation config`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{config::Config, output::line};

/// `mediation config`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// 检查配置文件：键名与含义，不启动服务 · Check configurations: their keys and what they mean; nothing is served
    Check(Check),
}

#[derive(Debug, Args)]
struct Check {
    /// 配置文件 · Configurations
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Checks every file, and answers whether all of them can be served.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let ConfigCommand::Check(Check { files }) = &arguments.command;
    let mut sound = true;
    for file in files {
        let objections = match Config::parse(file)? {
            Ok(config) => config.check().iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string().trim_end().to_owned()],
        };
        if objections.is_empty() {
            line(format!("配置无误 ✓ · sound: {}", file.display()));
        } else {
            sound = false;
            line(format!("配置有误 ✗ · not sound: {}", file.display()));
            for objection in objections.iter().flat_map(|objection| objection.lines()) {
                line(format!("  {objection}"));
            }
        }
    }
    Ok(sound)
}
