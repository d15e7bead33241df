//! The mediation ledger, one binary: it founds, serves, records, shows, replays and verifies.

mod access;
mod auditing;
mod backend;
mod backup;
mod center;
#[cfg(feature = "kurrentdb")]
mod cluster;
mod command;
mod config;
mod contents;
mod cosigning;
mod durable;
mod erased;
mod evidence;
mod failed_sync;
mod founding;
mod import;
mod kek;
mod keys;
mod known;
mod layout;
mod log_http;
mod manifest;
mod member;
mod metrics;
mod output;
#[cfg(feature = "pkcs11")]
mod pin;
mod pki;
mod probes;
mod process;
mod registrar;
mod replay;
mod report;
mod restored;
mod sealing;
mod signing;
mod spreadsheet;
mod submitted;
mod suite;
mod survey;
mod timestamps;
mod traces;
mod view;
mod watching;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// 多机构矛盾纠纷调解账本：各机构签名登记，全链可重放、可审计、可离线举证。
///
/// Multi-agency mediation ledger: agencies append signed acts, anybody entitled replays, audits and proves the chain.
#[derive(Debug, Parser)]
#[command(name = "mediation", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
退出码 · Exit codes:
  0  一切相符 · all as it should be
  1  有差异或校验不通过 · differences, or verification found something
  2  用法有误 · wrong usage
  3  账本拒绝 · the ledger refused
  4  账本不可用 · the ledger is away
  5  本机出错（文件、密钥） · trouble on this machine (files, keys)";

#[derive(Debug, Subcommand)]
enum Command {
    /// 创建账本：密钥、证书、登记链 · Found a ledger: keys, certificates, registry chain
    Init(command::init::Arguments),
    /// 配置文件：检查 · Configurations: check them
    Config(command::config::Arguments),
    /// 运行账本服务 · Serve a ledger
    Serve(command::serve::Arguments),
    /// 集群：设置访问控制、检查 · A KurrentDB cluster: set up its access, check it
    #[cfg(feature = "kurrentdb")]
    Kurrent(command::kurrent::Arguments),
    /// 把单机账本迁入空集群，记录、叶与根不变 · Move an embedded ledger into an empty cluster: same records, leaves and root
    #[cfg(feature = "kurrentdb")]
    Migrate(command::migrate::Arguments),
    /// 为共享日志上的一个进程写出目录：只含其自身的密钥 · The directory of one process on a shared log, with its own keys only
    #[cfg(feature = "kurrentdb")]
    Provision(command::provision::Arguments),
    /// 演示：自动建账、重放三个案例、核验 · Demo: found a ledger, replay three cases, verify
    Demo(command::demo::Arguments),
    /// 登记一个行为 · Record one act
    Record(command::record::Arguments),
    /// 由 Excel 或 CSV 导入行为：模板、逐格检查、登记 · Record acts from a spreadsheet: template, check of every cell, recording
    Import(command::import::Arguments),
    /// 查看一条链：行为、期限、发现 · Show a chain: acts, clocks, findings
    Chain(command::chain::Arguments),
    /// 检索链条：链号、机构、类型、日期、结案、逾期、发现 · Find chains by number, agency, type, day, outcome, overdue, finding
    Search(command::search::Arguments),
    /// 待办：机构须答复、办理、督促的事项 · What an agency has to do, by due date
    Docket(command::docket::Arguments),
    /// 审计控制台：在浏览器中查阅、回放、核验 · The auditors' console: read, replay and verify in a browser
    Console(command::console::Arguments),
    /// 签发官员登录控制台的客户端证书 · Issue the client certificate with which an official logs in to the console
    Certificate(command::certificate::Arguments),
    /// 七中心对接网关：渠道提交、当事人查询、待办 · The integration gateway: intake, status for citizens, worklist
    Gateway(command::gateway::Arguments),
    /// 一条链的查阅记录：谁、何时、为何、所见何物 · Who has read a chain, when, why, and what he saw
    AccessLog(command::access_log::Arguments),
    /// 由证件号生成当事人假名：从标准输入读取，不留存 · Pseudonym of a person, from the number of an identity document on standard input, which is kept nowhere
    SubjectRef(command::subject_ref::Arguments),
    /// 日志镜像：本机构留存全部哈希与可知条目，日志不得抵赖 · Mirror the log: every hash, and the entries that the agency may know of
    Mirror(command::mirror::Arguments),
    /// 经真实窗口重放案例并比对 · Replay case files through the real desks and compare
    Replay(command::replay::Arguments),
    /// 逐链审查账本目录，列出全部发现 · Judge every chain of a ledger's directory and list the findings
    Findings(command::findings::Arguments),
    /// 由日志重建读模型（SQLite 表） · Build the read model, tables in SQLite, anew from the log
    Rebuild(command::rebuild::Arguments),
    /// 规则集：期限、规则、条文、摘要 · Rule sets: clocks, rules, articles, digests
    Rules(command::rules::Arguments),
    /// 计算法定期限 · Compute legal limits
    Clock(command::clock::Arguments),
    /// 生成虚构的城市一年：由种子逐字节再现的账本 · Make up a city's year: a ledger that a seed gives byte for byte
    City(command::city::Arguments),
    /// 统计年度指标，并与公布值比对 · Compute the figures of a year and compare with what was published
    Figures(command::figures::Arguments),
    /// 个人信息保护报告：泄露、影响评估、权利请求、冻结删除、查阅 · What is to be told of the handling of personal data
    PrivacyReport(command::privacy_report::Arguments),
    /// 执行一条链上的删除决定，或列出障碍 · Carry out the orders to erase of a chain, or say what hinders
    Erase(command::erase::Arguments),
    /// 导出一条链的证据包 · Export the evidence bundle of a chain
    Export(command::export::Arguments),
    /// 核验账本目录的每一个字节，或一个证据包 · Verify every byte of a ledger's directory, or an evidence bundle
    Verify(command::verify::Arguments),
    /// 备份：服务中即可，止于一个检查点，已核验；增量 · Back up a ledger, also while it is served: up to a checkpoint, verified, by segments
    Backup(command::backup::Arguments),
    /// 恢复备份：先核验；若他人留存更新的检查点则拒绝签署 · Restore a backup, verified first; it refuses to sign when others hold something newer
    Restore(command::restore::Arguments),
    /// 日志：检查点与证明 · The log: checkpoints and proofs
    Log(command::log::Arguments),
    /// 见证：为日志的检查点联署 · Witness: cosign the checkpoints of logs
    Witness(command::witness::Arguments),
    /// 机构签名密钥：列出、登记、更换、吊销 · Signing keys of agencies: list, enrol, rotate, revoke
    Key(command::key::Arguments),
    /// 日志密钥：更换、停用 · Log keys: rotate, retire
    LogKey(command::log_key::Arguments),
    /// 保管库：更换主密钥、备份、恢复 · The vault: replace its key-encryption key, back up, restore
    Vault(command::vault::Arguments),
    /// 重立账本：末尾丢失的账本以新标识延续 · Carry on, under a new origin, a ledger whose end was lost
    Reincarnate(command::reincarnate::Arguments),
    /// 测速：登记、查阅、重放、证明，与裸传输、裸落盘并列 · Measure how fast a ledger is here, beside bare transport and disk
    Bench(command::bench::Arguments),
    /// 监视：核验所服务的日志，发现冒用本机构密钥的行为 · Monitor: verify a served log, and find acts that an agency did not submit
    Monitor(command::monitor::Arguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(format!("错误 · error: {error}"));
            return ExitCode::from(command::TROUBLE);
        }
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Init(arguments) => command::init::run(arguments).await,
            Command::Config(arguments) => command::config::run(&arguments),
            Command::Serve(arguments) => command::serve::run(arguments).await,
            #[cfg(feature = "kurrentdb")]
            Command::Kurrent(arguments) => command::kurrent::run(arguments).await,
            #[cfg(feature = "kurrentdb")]
            Command::Migrate(arguments) => command::migrate::run(arguments).await,
            #[cfg(feature = "kurrentdb")]
            Command::Provision(arguments) => command::provision::run(&arguments),
            Command::Demo(arguments) => command::demo::run(arguments).await,
            Command::Record(arguments) => command::record::run(arguments).await,
            Command::Import(arguments) => command::import::run(arguments).await,
            Command::Chain(arguments) => command::chain::run(arguments).await,
            Command::Search(arguments) => command::search::run(arguments).await,
            Command::Docket(arguments) => command::docket::run(arguments).await,
            Command::Console(arguments) => command::console::run(arguments).await,
            Command::Certificate(arguments) => command::certificate::run(&arguments),
            Command::Gateway(arguments) => command::gateway::run(arguments).await,
            Command::AccessLog(arguments) => command::access_log::run(arguments).await,
            Command::SubjectRef(arguments) => command::subject_ref::run(arguments).await,
            Command::Mirror(arguments) => command::mirror::run(arguments).await,
            Command::Replay(arguments) => command::replay::run(arguments).await,
            Command::Findings(arguments) => command::findings::run(&arguments),
            Command::Rebuild(arguments) => command::rebuild::run(arguments).await,
            Command::Rules(arguments) => command::rules::run(&arguments),
            Command::Clock(arguments) => command::clock::run(&arguments),
            Command::City(arguments) => command::city::run(arguments).await,
            Command::Figures(arguments) => command::figures::run(arguments).await,
            Command::PrivacyReport(arguments) => command::privacy_report::run(&arguments),
            Command::Erase(arguments) => command::erase::run(arguments).await,
            Command::Export(arguments) => command::export::run(arguments).await,
            Command::Verify(arguments) => command::verify::run(&arguments).await,
            Command::Backup(arguments) => Box::pin(command::backup::run(arguments)).await,
            Command::Restore(arguments) => Box::pin(command::restore::run(arguments)).await,
            Command::Log(arguments) => command::log::run(arguments).await,
            Command::Witness(arguments) => command::witness::run(arguments).await,
            Command::Key(arguments) => command::key::run(arguments).await,
            Command::LogKey(arguments) => command::log_key::run(arguments).await,
            Command::Vault(arguments) => command::vault::run(&arguments).await,
            Command::Reincarnate(arguments) => command::reincarnate::run(arguments).await,
            Command::Bench(arguments) => Box::pin(command::bench::run(arguments)).await,
            Command::Monitor(arguments) => command::monitor::run(arguments).await,
        }
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(command::DIFFERENCES),
        Err(error) => {
            command::explanation(&error).iter().for_each(output::note);
            ExitCode::from(command::exit_code(&error))
        }
    }
}
