// Verifies the shown chain in the reader's own browser, with nothing but WebCrypto: docs/format.md says how every byte is made.
//
//   checkpoint   its signature under the log's key, which the reader compares with the one that he holds
//   entry        its leaf hash, its path to the checkpoint's root, its link to the entry before, its agency's signature
//   part         its commitment in the signed statement
//   page         every row has an entry, every entry its row; agency, time, kind of act and leaf of each row are those of the
//                verified bytes, and a row without bytes says nothing
//
// Agencies' keys come from the registry chain, which is proved in the same way. It begins at the first leaf of the tree, and
// each of its entries is signed by a key that stands on it before, so that nobody adds one who holds none. What the browser
// cannot see: whether the server left out the newest entries, whether a key was revoked, and what the words of a row say.
"use strict";

const PAYLOAD_TYPE = "application/vnd.mediation-ledger.statement.v1+protobuf";
const ED25519 = 1;
const NOTE_ED25519 = 1;
const REGISTRY_FAMILY = 22;
// Acts of the registry that name keys, by their numbers: where algorithm and key stand in them, or in their members, and who
// may record one: an agency for itself, the founder for all. A ledger is founded by its first leaf, and by no other.
const KEY_ACTS = {
  21: { members: 3, algorithm: 5, key: 6, founds: true },
  22: { algorithm: 2, key: 3 },
  28: { algorithm: 3, key: 4 },
  30: { algorithm: 2, key: 3 },
  31: { members: 1, algorithm: 5, key: 6, isFounders: true },
  36: { members: 3, algorithm: 5, key: 6, founds: true },
};
const MEMBER_NAME = 3;
const ACT_PART = 1;
const HEADER = 6;

class Fault extends Error {}

const text = new TextEncoder();
const words = new TextDecoder("utf-8", { fatal: true });
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const hex = (array) => Array.from(array, (byte) => byte.toString(16).padStart(2, "0")).join("");
const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);
const fail = (zh, en) => { throw new Fault(english ? en : zh); };
const english = document.documentElement.lang === "en";

function joined(...arrays) {
  const whole = new Uint8Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) { whole.set(array, at); at += array.length; }
  return whole;
}

async function sha256(...arrays) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...arrays)));
}

async function signed(key, signature, message) {
  const known = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, known, signature, message);
}

function big(number) {
  const array = new Uint8Array(8);
  new DataView(array.buffer).setBigUint64(0, BigInt(number));
  return array;
}

// Fields of a protobuf message: number, and a BigInt or bytes.
function fields(array) {
  const found = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= array.length) fail("条目编码不完整", "an entry ends too early");
      const byte = array[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return fail("条目编码有误", "an entry is malformed");
  };
  while (at < array.length) {
    const key = varint();
    const number = Number(key >> 3n);
    if ((key & 7n) === 0n) {
      found.push([number, varint()]);
    } else if ((key & 7n) === 2n) {
      const length = Number(varint());
      const end = at + length;
      if (end > array.length) fail("条目编码不完整", "an entry ends too early");
      found.push([number, array.subarray(at, end)]);
      at = end;
    } else {
      fail("条目编码有误", "an entry is malformed");
    }
  }
  return found;
}

// A field that stands once. Others may take the last of several where we took the first.
function one(message, number, otherwise) {
  const found = all(message, number);
  if (found.length > 1) fail("字段重复", "a field stands twice");
  return found.length ? found[0] : otherwise;
}

const all = (message, number) => message.filter(([found]) => found === number).map(([, value]) => value);
const none = new Uint8Array(0);

// The C2SP signed note of a checkpoint.
async function checkpoint(note, vkey) {
  const [name, id, key] = vkey.trim().split("+").reduce((parts, part) => (parts.length < 3 ? [...parts, part] : [...parts.slice(0, 2), `${parts[2]}+${part}`]), []);
  const algorithmAndKey = bytes(key ?? "");
  if (algorithmAndKey[0] !== NOTE_ED25519) fail("日志公钥不是 Ed25519 密钥", "the log's key is no Ed25519 key");
  const hash = await sha256(text.encode(`${name}\n`), algorithmAndKey);
  if (hex(hash.subarray(0, 4)) !== id) fail("日志公钥的编号与内容不符", "the log's key is not the one of its id");
  const split = note.indexOf("\n\n");
  const body = note.slice(0, split + 1);
  const [origin, size, root] = body.split("\n");
  if (split < 0 || origin !== name) fail("检查点不属于此账本", "the checkpoint is of another ledger");
  for (const line of note.slice(split + 2).split("\n").filter((line) => line.startsWith(`— ${name} `))) {
    const signature = bytes(line.slice(`— ${name} `.length));
    if (same(signature.subarray(0, 4), hash.subarray(0, 4))
      && await signed(algorithmAndKey.subarray(1), signature.subarray(4), text.encode(body))) {
      return { origin, size: BigInt(size), root: bytes(root) };
    }
  }
  return fail("检查点没有该密钥的有效签名", "the checkpoint has no good signature of this key");
}

// RFC 6962 section 2.1.1: the root that a leaf and its path lead to.
async function rootOf(leaf, index, size, path) {
  let [hash, at, last] = [leaf, BigInt(index), size - 1n];
  if (at < 0n || at > last) fail("叶序号超出检查点", "a leaf lies beyond the checkpoint");
  for (const sibling of path) {
    if (last === 0n) fail("包含证明过长", "an inclusion path is too long");
    if ((at & 1n) === 1n || at === last) {
      hash = await sha256(Uint8Array.of(1), sibling, hash);
      while ((at & 1n) === 0n && at !== 0n) { at >>= 1n; last >>= 1n; }
    } else {
      hash = await sha256(Uint8Array.of(1), hash, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) fail("包含证明过短", "an inclusion path is too short");
  return hash;
}

async function partDigest(origin, eventId, part) {
  const plaintext = bytes(part.plaintext);
  return sha256(text.encode("mediation-ledger/part/v1\0"), Uint8Array.of(1, text.encode(origin).length), text.encode(origin),
    eventId, Uint8Array.of(part.kind, part.number), bytes(part.salt), big(plaintext.length), plaintext);
}

// Verifies one entry; answers what it says.
async function entry(told, head, previous) {
  const raw = bytes(told.entry);
  const leaf = raw.length ? await sha256(Uint8Array.of(0), raw) : bytes(told.leaf_hash);
  if (!same(leaf, bytes(told.leaf_hash))) fail("叶哈希与条目不符", "the leaf hash is not that of the entry");
  if (!same(await rootOf(leaf, told.leaf_index, head.size, told.path.map(bytes)), head.root)) {
    fail("包含证明未通向检查点的根", "the inclusion path does not lead to the checkpoint's root");
  }
  if (!raw.length) return { leaf, revision: told.revision };
  const envelope = fields(raw);
  const payload = one(envelope, 1, none);
  const statement = fields(payload);
  if (!one(statement, 3)) return { leaf, revision: told.revision, foreign: true };
  if (Number(one(statement, 4, 0n)) !== told.revision) fail("版本与所示不符", "the revision is another one");
  if (words.decode(one(statement, 1, none)) !== head.origin) fail("条目不属于此账本", "the entry is of another ledger");
  const eventId = one(statement, 2, none);
  const commitments = all(statement, 10).map(fields);
  let act = null;
  for (const part of told.parts) {
    const digest = await partDigest(head.origin, eventId, part);
    const found = commitments.some((commitment) => Number(one(commitment, 2, 0n)) === part.kind
      && Number(one(commitment, 3, 0n)) === part.number && same(one(commitment, 4, none), digest));
    if (!found) fail("内容与签名中的承诺不符", "a part is not the one that was committed to");
    if (part.kind === ACT_PART && act) fail("行为重复", "an entry has two acts");
    if (part.kind === ACT_PART) act = fields(bytes(part.plaintext));
  }
  return {
    leaf, act, payload, revision: told.revision,
    chain: one(statement, 3, none), previous: one(statement, 5, none), isLinked: same(one(statement, 5, none), previous),
    agency: words.decode(one(statement, 6, none)), keyId: one(statement, 7, none),
    occurredAt: Number(BigInt.asIntN(64, one(statement, 8, 0n))),
    signatures: all(envelope, 2).map(fields).map((message) => [one(message, 1, none), one(message, 2, none)]),
  };
}

// The kind of an act, as its place in the messages: family, then act.
function kindOf(act) {
  if (!act) return null;
  const families = act.filter(([number]) => number !== HEADER);
  const inner = families.length === 1 && families[0][1] instanceof Uint8Array ? fields(families[0][1]) : [];
  if (inner.length !== 1) fail("行为种类不明", "it is not clear what the act is");
  return `${families[0][0]}.${inner[0][0]}`;
}

// A chain that is named by what it is of: a UUIDv8 of a digest.
async function derived(domain, ...texts) {
  const id = (await sha256(text.encode(`mediation-ledger/${domain}/v1\0${texts.join("\0")}`))).slice(0, 16);
  id[6] = (id[6] & 15) | 128;
  id[8] = (id[8] & 63) | 128;
  return hex(id);
}

// The chain that the reader asked for: by the address that he sees, not by what was answered.
async function asked(origin) {
  const name = decodeURIComponent(location.pathname.split("/")[2] ?? "");
  if (name === "registry") return derived("registry", origin);
  if (name.startsWith("registry:")) return derived("agency-registry", origin, name.slice("registry:".length));
  return name.replaceAll("-", "");
}

// Keys of agencies that the registry chain enrols, by their ids, and the names of the agencies. An entry that does not count is
// passed over: nothing links to it.
async function registered(registry, head) {
  const known = { keys: new Map(), names: new Map(), founder: null };
  const chain = await derived("registry", head.origin);
  let [previous, last] = [new Uint8Array(32), -1];
  for (const told of registry.entries) {
    const checked = await entry(told, head, previous);
    if (told.leaf_index <= last) fail("注册链次序有误", "the registry chain is out of order");
    last = told.leaf_index;
    if (checked.agency && (!checked.isLinked || hex(checked.chain) !== chain)) continue;
    if (checked.agency && !await counts(checked, told.leaf_index, known)) continue;
    if (!checked.foreign) previous = checked.leaf;
  }
  return known;
}

// Whether an entry of the registry is signed by a key that it may be signed with; then its keys are known.
async function counts(checked, index, known) {
  const family = checked.act && one(checked.act, REGISTRY_FAMILY);
  const found = new Map();
  for (const [number, message] of family ? fields(family) : []) {
    const place = KEY_ACTS[number];
    if (!place) continue;
    if (place.founds !== (index === 0 ? true : undefined)) return false;
    if (place.isFounders && checked.agency !== known.founder) return false;
    const said = fields(message);
    for (const named of place.members ? all(said, place.members).map(fields) : [said]) {
      const algorithm = Number(one(named, place.algorithm, 0n));
      const key = Uint8Array.from(words.decode(one(named, place.key, none)).match(/../g) ?? [], (pair) => parseInt(pair, 16));
      const id = hex(await sha256(Uint8Array.of(algorithm), key));
      const agency = words.decode(one(named, 1, none));
      if (known.keys.has(id) || (!place.members && agency !== checked.agency)) return false;
      const name = place.members ? words.decode(one(named, MEMBER_NAME, none)) : null;
      found.set(id, { agency, algorithm, key, name, since: place.founds ? -1 : index });
    }
  }
  const keys = index === 0 ? found : known.keys;
  let isProved;
  try {
    isProved = await authentic(checked, index, keys);
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
  if (index === 0) known.founder = checked.agency;
  for (const [id, key] of found) {
    // What an unproved signature brings stays unproved.
    known.keys.set(id, { ...key, isProved });
    if (key.name !== null) known.names.set(key.agency, key.name);
  }
  return true;
}

async function authentic(checked, index, keys) {
  const known = keys.get(hex(checked.keyId));
  if (!known || known.agency !== checked.agency || known.since >= index) {
    fail("签名密钥不在注册链中", "the registry chain has no such key of this agency");
  }
  if (known.algorithm !== ED25519 || known.isProved === false) return false;
  const mark = text.encode(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${checked.payload.length} `);
  for (const [id, signature] of checked.signatures) {
    if (same(id, checked.keyId) && await signed(known.key, signature, joined(mark, checked.payload))) return true;
  }
  return fail("机构签名无效", "the agency's signature is not good");
}

const instantOf = (checked) => new Date((checked.occurredAt + 8 * 3600) * 1000).toISOString();
const dateOf = (checked) => instantOf(checked).slice(0, 10);
const UNSHOWN = ["（不可见）", "(not shown)", "（内容不可见）", "(content not shown)"];

// What a row of the page says must be what the verified bytes say.
function agrees(row, checked, names) {
  if (row.querySelector(".bytes .digest")?.textContent !== hex(checked.leaf)) {
    fail("页面所示叶哈希与已核验的条目不符", "the page names another leaf hash than the verified entry");
  }
  const [when, agency, content, signer] = [1, 2, 3, 4].map((at) => row.cells[at]);
  if (!checked.agency) {
    const said = [when, agency, signer].map((cell) => cell.textContent.trim()).join("") + row.dataset.agency + row.dataset.day;
    const isSilent = said === "" && !row.dataset.kind && !content.querySelector("details, dl");
    if (!isSilent || !UNSHOWN.includes(content.querySelector("strong")?.textContent)) {
      fail("页面写有内容，证明中却没有", "the page says what no byte proves");
    }
    return;
  }
  const told = names.get(checked.agency) ?? checked.agency;
  if (row.dataset.agency !== checked.agency || row.dataset.day !== dateOf(checked) || agency.textContent !== told
    || when.textContent !== instantOf(checked).replace("T", " ").slice(0, 19)) {
    fail("页面所示机构或日期与已核验的条目不符", "the page names another agency or day than the verified entry");
  }
  const kind = kindOf(checked.act);
  if ((row.dataset.kind ?? null) !== kind) fail("页面所示行为与已核验的条目不符", "the page names another kind of act than the verified entry");
  if (!kind && content.querySelector("dl:not(.masked)")) fail("页面写有内容，证明中却没有", "the page says what no byte proves");
}

// The rows of the page by revision. One that names none, or another's, would be the page's word alone.
function rowsOf(table) {
  const [rows, stray] = [new Map(), []];
  for (const row of table.tBodies[0].rows) {
    const revision = /^[0-9]+$/.test(row.dataset.revision ?? "") ? Number(row.dataset.revision) : null;
    if (revision === null || rows.has(revision)) stray.push(row);
    else rows.set(revision, row);
  }
  return { rows, stray };
}

async function fetched(address) {
  const answer = await fetch(address, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) fail(`无法取得证明（${answer.status}）`, `the proof cannot be fetched (${answer.status})`);
  return answer.json();
}

function show(cell, state, said) {
  cell.className = `verified ${state}`;
  cell.textContent = said;
}

async function verifyAll(panel) {
  const vkey = panel.querySelector("[name=log_key]").value;
  const [proof, registry] = [await fetched(panel.dataset.proof), await fetched(panel.dataset.registry)];
  const head = await checkpoint(proof.checkpoint, vkey);
  const { keys, names } = await registered(registry, await checkpoint(registry.checkpoint, vkey));
  const chain = await asked(head.origin);
  const asOf = document.querySelector("[name=as_of]").value;
  const { rows, stray } = rowsOf(document.querySelector("table.acts"));
  let [good, bad, unproved, previous, last, at, missing, first] = [0, 0, 0, new Uint8Array(32), -1, 0, 0, ""];
  for (const told of proof.entries) {
    const row = rows.get(told.revision);
    rows.delete(told.revision);
    const cell = row?.querySelector(".verified");
    try {
      const checked = await entry(told, head, previous);
      let said = "✓";
      if (checked.agency) {
        if (!checked.isLinked) fail("与前一条目的链接不符", "it does not link to the entry before");
        if (hex(checked.chain) !== chain) fail("条目属于另一条链", "the entry is of another chain");
        if (!await authentic(checked, told.leaf_index, keys)) {
          unproved += 1;
          said = english ? "✓ (SM2 not checked here)" : "✓（SM2 签名此处未验）";
        }
      }
      if (told.revision !== at || told.leaf_index <= last) fail("条目次序有误", "the entries are out of order");
      if (row) agrees(row, checked, names);
      else if (!checked.agency || dateOf(checked) <= asOf) missing += 1;
      if (!checked.foreign) previous = checked.leaf;
      good += 1;
      if (cell) show(cell, "good", said);
    } catch (error) {
      bad += 1;
      if (cell) show(cell, "bad", `✗ ${error.message}`);
      else first ||= error.message;
    }
    [at, last] = [at + 1, told.leaf_index];
  }
  for (const row of [...rows.values(), ...stray]) {
    bad += 1;
    show(row.querySelector(".verified") ?? row.insertCell(), "bad", english ? "✗ no proof" : "✗ 没有证明");
  }
  return { good, bad: bad + missing, missing, first, unproved, size: head.size };
}

async function run(event) {
  const panel = event.target.closest("[data-proof]");
  const result = panel.querySelector("output");
  const button = panel.querySelector("button");
  button.disabled = true;
  show(result, "", english ? "verifying …" : "正在核验……");
  try {
    const { good, bad, missing, first, unproved, size } = await verifyAll(panel);
    let said = english
      ? `${good} entries verified in this browser, ${bad} faults; checkpoint of ${size} leaves`
      : `本浏览器已核验 ${good} 个条目，问题 ${bad} 个；检查点大小 ${size}`;
    if (missing) said += english ? `; ${missing} entries have no row on this page` : `；${missing} 个条目在本页没有对应的行`;
    if (first) said += english ? `; an entry without a row: ${first}` : `；无对应行的条目：${first}`;
    if (unproved) said += english ? `; ${unproved} signatures not checked here` : `；${unproved} 个签名此处未验`;
    show(result, bad ? "bad" : "good", `${bad ? "✗" : "✓"} ${said}`);
  } catch (error) {
    const why = error instanceof Fault ? error.message : (english ? `this browser cannot: ${error.message}` : `本浏览器无法核验：${error.message}`);
    show(result, "bad", `✗ ${why}`);
  }
  button.disabled = false;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-verify]")) run(event);
});
