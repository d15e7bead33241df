// Verifies the shown chain in the reader's own browser, with nothing but WebCrypto: docs/format.md says how every byte is made.
//
//   checkpoint   its signature under the log's key, which the reader compares with the one that he holds
//   entry        its leaf hash, its path to the checkpoint's root, its link to the entry before, its agency's signature
//   part         its commitment in the signed statement
//   page         agency, day and kind of act of each row are those of the verified bytes
//
// Agencies' keys come from the registry chain, which is proved under the same checkpoint in the same way.
"use strict";

const PAYLOAD_TYPE = "application/vnd.mediation-ledger.statement.v1+protobuf";
const ED25519 = 1;
const NOTE_ED25519 = 1;
const REGISTRY_FAMILY = 22;
// Acts of the registry that name keys, by their numbers: where algorithm and key stand in them, or in their members.
const KEY_ACTS = {
  21: { members: 3, algorithm: 5, key: 6 },
  22: { algorithm: 2, key: 3 },
  28: { algorithm: 3, key: 4 },
  30: { algorithm: 2, key: 3 },
  31: { members: 1, algorithm: 5, key: 6 },
  36: { members: 3, algorithm: 5, key: 6 },
};
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

const one = (message, number, otherwise) => (message.find(([found]) => found === number) ?? [0, otherwise])[1];
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
  if (at > last) fail("叶序号超出检查点", "a leaf lies beyond the checkpoint");
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
  const family = act?.find(([number, value]) => number !== HEADER && value instanceof Uint8Array);
  const inner = family && fields(family[1]).find(([, value]) => value instanceof Uint8Array);
  return inner ? `${family[0]}.${inner[0]}` : null;
}

// Keys of agencies that the registry chain enrols, by their ids.
async function keysOf(registry, head) {
  const keys = new Map();
  const counted = { previous: new Uint8Array(32) };
  for (const told of registry.entries) {
    const checked = await entry(told, head, counted.previous);
    if (!checked.agency || !checked.isLinked) continue;
    counted.previous = checked.leaf;
    const family = checked.act && one(checked.act, REGISTRY_FAMILY);
    for (const [number, message] of family ? fields(family) : []) {
      const place = KEY_ACTS[number];
      if (!place) continue;
      const said = fields(message);
      for (const named of place.members ? all(said, place.members).map(fields) : [said]) {
        const algorithm = Number(one(named, place.algorithm, 0n));
        const key = Uint8Array.from(words.decode(one(named, place.key, none)).match(/../g) ?? [], (pair) => parseInt(pair, 16));
        const id = await sha256(Uint8Array.of(algorithm), key);
        keys.set(hex(id), { agency: words.decode(one(named, 1, none)), algorithm, key });
      }
    }
  }
  return keys;
}

async function authentic(checked, keys) {
  const known = keys.get(hex(checked.keyId));
  if (!known || known.agency !== checked.agency) fail("签名密钥不在注册链中", "the registry chain has no such key of this agency");
  if (known.algorithm !== ED25519) return false;
  const mark = text.encode(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${checked.payload.length} `);
  for (const [id, signature] of checked.signatures) {
    if (same(id, checked.keyId) && await signed(known.key, signature, joined(mark, checked.payload))) return true;
  }
  return fail("机构签名无效", "the agency's signature is not good");
}

// What a row of the page says must be what the verified bytes say.
function agrees(row, checked) {
  const day = new Date((checked.occurredAt + 8 * 3600) * 1000).toISOString().slice(0, 10);
  if (row.dataset.agency !== checked.agency || row.dataset.day !== day) {
    fail("页面所示机构或日期与已核验的条目不符", "the page names another agency or day than the verified entry");
  }
  const kind = kindOf(checked.act);
  if (kind && row.dataset.kind !== kind) fail("页面所示行为与已核验的条目不符", "the page names another kind of act than the verified entry");
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
  const keys = await keysOf(registry, await checkpoint(registry.checkpoint, vkey));
  const rows = new Map(Array.from(document.querySelectorAll("[data-revision]"), (row) => [Number(row.dataset.revision), row]));
  let [good, bad, previous] = [0, 0, new Uint8Array(32)];
  for (const told of proof.entries) {
    const row = rows.get(told.revision);
    rows.delete(told.revision);
    const cell = row?.querySelector(".verified");
    try {
      const checked = await entry(told, head, previous);
      let said = "✓";
      if (checked.agency) {
        if (!checked.isLinked) fail("与前一条目的链接不符", "it does not link to the entry before");
        if (hex(checked.chain) !== proof.chain.replaceAll("-", "")) fail("条目属于另一条链", "the entry is of another chain");
        if (!await authentic(checked, keys)) said = english ? "✓ (SM2 not checked here)" : "✓（SM2 签名此处未验）";
        if (row) agrees(row, checked);
      }
      if (!checked.foreign) previous = checked.leaf;
      good += 1;
      if (cell) show(cell, "good", said);
    } catch (error) {
      bad += 1;
      if (cell) show(cell, "bad", `✗ ${error.message}`);
    }
  }
  // A row without bytes would be the page's word alone.
  for (const row of rows.values()) { bad += 1; show(row.querySelector(".verified"), "bad", english ? "✗ no proof" : "✗ 没有证明"); }
  return { good, bad, size: head.size };
}

async function run(event) {
  const panel = event.target.closest("[data-proof]");
  const result = panel.querySelector("output");
  const button = panel.querySelector("button");
  button.disabled = true;
  show(result, "", english ? "verifying …" : "正在核验……");
  try {
    const { good, bad, size } = await verifyAll(panel);
    const said = english
      ? `${good} entries verified in this browser, ${bad} faults; checkpoint of ${size} leaves`
      : `本浏览器已核验 ${good} 个条目，问题 ${bad} 个；检查点大小 ${size}`;
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
