-- 读模型 · The read model. It can be rebuilt from the log at any time, and holds facts only: no name, no free text, nothing sealed.
-- 时刻以整数表示，单位见列名；日期为 YYYY-MM-DD · Instants are integers, the unit is in the name; days are YYYY-MM-DD.
-- 链编号、事件编号为 UUID 文本 · Ids of chains and events are UUIDs as text.

-- 索引见 indexes.sql · The indexes are in indexes.sql.

-- 本文件说明 · What the model is: one row for each name.
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- 参加机构（登记链所载） · Agencies that take part, as the registry chain names them.
CREATE TABLE agencies (
  agency   TEXT NOT NULL PRIMARY KEY,
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  division TEXT NOT NULL
) WITHOUT ROWID;

-- 链 · Chains. Columns after `entries` are empty until the chain has been judged.
CREATE TABLE chains (
  chain_id         TEXT    NOT NULL PRIMARY KEY,
  entries          INTEGER NOT NULL,            -- 条目数 · entries, whether they count or not
  kind             TEXT,                        -- MATTER, ACCESS, REGISTRY
  dispute_no       TEXT,                        -- 纠纷链号
  opening_event    TEXT,                        -- 首个行为 · first act that counts
  dispute_type     TEXT,                        -- 纠纷类型代码 · code of the type
  division         TEXT,                        -- 行政区划 · administrative division
  opened_at_s      INTEGER,                     -- 首个行为时间 · business time of the first act, seconds
  last_act_at_s    INTEGER,                     -- 末个行为时间 · business time of the last act, seconds
  acts             INTEGER,                     -- 有效行为数 · acts that count
  rule_set         TEXT,                        -- 评判所依规则集 · rule set it is judged by
  lead_agency      TEXT,                        -- 现首办单位 · agency that leads now
  outcome          TEXT,                        -- 办结方式；未办结为空 · outcome; none while open
  is_closed        INTEGER,                     -- 1 已办结 · closed
  is_restricted    INTEGER,                     -- 1 检举控告 · carries an accusation
  is_blind         INTEGER,                     -- 1 密钥不予提供，未评判 · the vault withholds it: not judged
  is_settled       INTEGER,                     -- 1 不再随时间变化 · time alone changes nothing any more
  next_due_on      TEXT,                        -- 最早未了期限 · earliest limit that is open
  days_overdue_max INTEGER                      -- 最长逾期日数 · days that the latest open limit is overdue
) WITHOUT ROWID;

-- 条目 · Entries, one for each leaf of the log. Columns after `leaf_hash` are empty until the chain has been judged.
CREATE TABLE entries (
  position       INTEGER NOT NULL,              -- 全局次序 · place in the order of the log
  chain_id       TEXT    NOT NULL,
  revision       INTEGER NOT NULL,
  leaf_hash      TEXT    NOT NULL,              -- 64 位十六进制 · hex
  event_id       TEXT,
  agency         TEXT,
  event          TEXT,                          -- 行为名 · name in the catalogue
  visibility_row TEXT,                          -- 查阅权限行 · row of the visibility matrix
  occurred_at_s  INTEGER,                       -- 机构所述时间 · the agency's word, seconds
  recorded_at_ms INTEGER,                       -- 入账时间 · the ledger's word, milliseconds
  fault          TEXT,                          -- 不计入时的发现代码 · code of the finding when it does not count
  PRIMARY KEY (chain_id, revision)
) WITHOUT ROWID;

-- 链上记录过或被提及的机构 · Agencies that recorded on a chain, or that its facts name in any role. It gives no right to see the chain.
CREATE TABLE ties (
  agency   TEXT NOT NULL,
  chain_id TEXT NOT NULL,
  PRIMARY KEY (chain_id, agency)
) WITHOUT ROWID;

-- 首办责任 · Intervals of first responsibility, by revisions.
CREATE TABLE leads (
  chain_id      TEXT    NOT NULL,
  no            INTEGER NOT NULL,
  agency        TEXT    NOT NULL,
  from_revision INTEGER NOT NULL,
  to_revision   INTEGER,
  PRIMARY KEY (chain_id, no)
) WITHOUT ROWID;

-- 移送对接 · Handoffs, one for each proposal.
CREATE TABLE handoffs (
  chain_id          TEXT    NOT NULL,
  no                INTEGER NOT NULL,
  proposal_revision INTEGER NOT NULL,
  mode              TEXT    NOT NULL,
  from_agency       TEXT    NOT NULL,
  to_agency         TEXT    NOT NULL,
  due_on            TEXT,
  answer            TEXT    NOT NULL,           -- ACCEPTED, RETURNED, RECALLED, TIMED_OUT, OPEN
  answered_revision INTEGER,
  days_late         INTEGER NOT NULL,
  PRIMARY KEY (chain_id, no)
) WITHOUT ROWID;

-- 期限 · Runs of clocks.
CREATE TABLE clocks (
  chain_id        TEXT    NOT NULL,
  no              INTEGER NOT NULL,
  usage           TEXT    NOT NULL,             -- JUDGED, REMINDER
  clock           TEXT    NOT NULL,             -- 期限编号 · id
  title_zh        TEXT    NOT NULL,
  obliged_agency  TEXT,                         -- 义务机构；当事人为空 · none for a party
  start_on        TEXT    NOT NULL,
  opened_revision INTEGER,
  due_on          TEXT,                         -- 中止期间为空 · none while suspended
  due_at_s        INTEGER,                      -- 以时刻计的期限 · of a limit that is an instant, seconds
  is_provisional  INTEGER NOT NULL,             -- 1 依赖未公布的日历 · depends on a calendar that is not published
  done_on         TEXT,
  ended_revision  INTEGER,
  state           TEXT    NOT NULL,             -- MET, LATE, VOID, OPEN, LAPSED, EARLY
  days_late       INTEGER NOT NULL,
  PRIMARY KEY (chain_id, no)
) WITHOUT ROWID;

-- 履行义务 · Obligations.
CREATE TABLE obligations (
  chain_id          TEXT    NOT NULL,
  no                INTEGER NOT NULL,
  obligation        TEXT    NOT NULL,           -- 链内编号 · id within the chain
  agency            TEXT,                       -- 记录机构 · agency that recorded it
  due_on            TEXT,
  state             TEXT    NOT NULL,           -- OPEN, PERFORMED, WAIVED, REPLACED, DEFAULTED
  recorded_revision INTEGER NOT NULL,
  state_revision    INTEGER,
  PRIMARY KEY (chain_id, no)
) WITHOUT ROWID;

-- 审计发现（只看本链） · Findings of each chain judged alone; what only other chains show, `mediation findings` finds.
CREATE TABLE findings (
  chain_id         TEXT    NOT NULL,
  no               INTEGER NOT NULL,
  code             TEXT    NOT NULL,
  rule             TEXT    NOT NULL,
  revision         INTEGER,
  agency           TEXT,
  clock            TEXT,
  due_on           TEXT,
  found_on         TEXT,
  days_late        INTEGER,
  severity         TEXT    NOT NULL,
  state            TEXT    NOT NULL,            -- OPEN, CURED, CLEARED
  cleared_revision INTEGER,
  article          TEXT    NOT NULL,
  title_zh         TEXT    NOT NULL,
  title_en         TEXT    NOT NULL,
  PRIMARY KEY (chain_id, no)
) WITHOUT ROWID;

-- 查阅记录 · Readings of chains, and refusals, as the access chains record them.
CREATE TABLE accesses (
  access_chain_id TEXT    NOT NULL,
  revision        INTEGER NOT NULL,
  chain           TEXT    NOT NULL,             -- 被查阅的链 · the chain that was read
  agency          TEXT    NOT NULL,
  reader          TEXT    NOT NULL,             -- 工作人员编号 · id of the official
  role            TEXT,
  purpose         TEXT,
  grade           TEXT,                         -- 查阅等级；被拒为空 · none when refused
  refusal         TEXT,                         -- 拒绝原因；查阅成功为空 · none when shown
  recorded_at_ms  INTEGER NOT NULL,
  PRIMARY KEY (access_chain_id, revision)
) WITHOUT ROWID;

-- 所查阅的行为 · Acts that a reading showed.
CREATE TABLE accessed_acts (
  access_chain_id TEXT    NOT NULL,
  revision        INTEGER NOT NULL,
  event_id        TEXT    NOT NULL,
  PRIMARY KEY (access_chain_id, revision, event_id)
) WITHOUT ROWID;

-- 已入账、尚待评判的链 · Chains that have moved and wait to be judged.
CREATE TABLE pending (
  chain_id TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

-- 待办 · What agencies have to do. An answer window that is told as a handoff is not told once more as a clock.
CREATE VIEW docket AS
  SELECT to_agency AS agency, chain_id, 'HANDOFF' AS what, mode AS code, proposal_revision AS revision,
         due_on, days_late
    FROM handoffs WHERE answer IN ('OPEN', 'TIMED_OUT')
  UNION ALL
  SELECT obliged_agency, chain_id, 'CLOCK', clock, opened_revision, due_on, days_late
    FROM clocks
   WHERE state = 'OPEN' AND obliged_agency IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM handoffs
                      WHERE handoffs.chain_id = clocks.chain_id AND answer IN ('OPEN', 'TIMED_OUT')
                        AND proposal_revision = opened_revision AND to_agency = obliged_agency
                        AND handoffs.due_on IS clocks.due_on)
  UNION ALL
  SELECT agency, chain_id, 'OBLIGATION', obligation, recorded_revision, due_on,
         max(0, CAST(julianday((SELECT value FROM meta WHERE name = 'judged_as_of')) - julianday(due_on) AS INTEGER))
    FROM obligations WHERE state = 'OPEN' AND agency IS NOT NULL;
