//! What the law and the standards ask of such evidence, and by what it is met.
//!
//! 《人民法院在线诉讼规则》 (法释〔2021〕12号, in force since 2021-08-01) articles 16 to 18 on data stored by block-chain
//! technology; SF/T 0076-2020 on preserving electronic data; SF/T 0091-2021 on keeping them for notaries. What they ask
//! is told in short, not quoted.

use super::Page;
use crate::bundle::examination::{Examined, first_seen};

pub(super) fn section(page: &mut Page, examined: &Examined<'_>) {
    page.heading("七、法律与标准对照");
    page.note("要求栏为条文要旨，以官方文本为准；是否采信由人民法院依法审查认定。");
    let rows: Vec<Vec<String>> = ROWS
        .iter()
        .map(|[source, asked, met]| vec![(*source).to_owned(), (*asked).to_owned(), (*met).to_owned()])
        .chain([vec![
            "同上 第十七条（时间）".to_owned(),
            "存证时间可信".to_owned(),
            match examined.signed.as_ref().and_then(first_seen) {
                Some(_) => "见证机构共签时间给出登记时间的上限（见第三节）".to_owned(),
                None => "本证据包没有见证共签，登记时间未经独立证明".to_owned(),
            },
        ]])
        .collect();
    page.table(&["出处", "要求（要旨）", "本证据包以何满足"], &rows);
}

const ONLINE_16: &str = "人民法院在线诉讼规则 第十六条";
const ONLINE_17: &str = "人民法院在线诉讼规则 第十七条";
const ONLINE_18: &str = "人民法院在线诉讼规则 第十八条";
const PRESERVATION: &str = "SF/T 0076-2020 电子数据存证技术规范";
const CUSTODY: &str = "SF/T 0091-2021 电子数据公证保管技术规范";

const ROWS: &[[&str; 3]] = &[
    [
        ONLINE_16,
        "以区块链技术存储并经技术核验一致的，可以认定上链后未经篡改，有相反证据足以推翻的除外",
        "逐条的包含证明、前后链接与签名；核验脚本输出“包含证明”“链接”“签名”三项即为技术核验结果",
    ],
    [ONLINE_17, "存证平台符合国家关于区块链存证服务的规定", "不由本证据包证明：请账本运行单位另行提供备案与资质材料"],
    [
        ONLINE_17,
        "当事人与存证平台有无利害关系，有无利用技术手段不当干预",
        "行为以各机构登记的密钥签名；密钥由机构自持（自行签名）的，账本运行者不能代签，由窗口代管密钥的，信任及于窗口运行者；改写、分叉或回退的账本与见证机构的共签及各机构所持回执相矛盾",
    ],
    [
        ONLINE_17,
        "信息系统的清洁性、安全性、可靠性、可用性",
        "核验不依赖账本的信息系统：只凭公钥离线进行，格式公开，可用第三方工具重复；系统本身的测评材料另行提供",
    ],
    [
        ONLINE_17,
        "技术与过程符合关于系统环境、技术安全、加密方式、数据传输、信息验证的标准",
        "摘要 SHA-256，签名 Ed25519（RFC 8032）或 SM2（GB/T 32918，摘要 SM3 GB/T 32905），默克尔树 RFC 6962，检查点与证明为 C2SP 公开规范；字节格式公开",
    ],
    [
        ONLINE_18,
        "上链存储前数据的真实性：具体来源、生成机制、存储过程、公证、第三方见证、关联印证",
        "每项行为载明登记机构、签署人、角色、业务时间与所答复的行为，由该机构签名负责；文书以摘要关联，原件由保管机构出示；登记迟延另由审计发现列明",
    ],
    [PRESERVATION, "存证内容完整、可追溯，存证过程可验证", "条目逐字节保存，序号连续，登记链从创世条目起完整随附"],
    [PRESERVATION, "存证主体身份可识别", "第四节列明签名机构、密钥编号与启用期，密钥登记本身在账本之中"],
    [CUSTODY, "出证载明保管数据的来源、摘要、时间与校验方法", "第二、三、八节及清单 manifest.json"],
];
