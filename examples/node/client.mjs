// Records two acts at the desk of a petition bureau, proves their receipts, and reads the dispute back.
//
// usage: node client.mjs --ledger 127.0.0.1:7443 --dir LEDGER --agency XF-FL --journal FILE [--tamper STEP]
//
// Exit code: 0 all is proved, 1 the ledger refused or an answer proves nothing.

import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PROTO = path.resolve(HERE, "../../proto");
const PAYLOAD_TYPE = "application/vnd.mediation-ledger.statement.v1+protobuf";
const LOG_KEY_TYPE = 1; // Ed25519 in C2SP signed-note
const DEADLINE_MS = 30_000;
const SENDINGS_MAX = 8; // a ledger that is away for longer is a matter for people
const PAUSE_MS_MAX = 10_000;
const SIGNINGS_MAX = 8; // times an act is prepared anew while others move its chain
const [PART_ACT, PART_IDENTITIES, PART_NARRATIVE] = [1, 2, 3]; // PartKind; the numbers stand under the commitments

// Another kind of agency has another desk and request type; what follows is the same.
const files = ["mediation/desk/v1/desks.proto", "mediation/ledger/v1/chain.proto", "mediation/ledger/v1/act.proto"];
const types = loader.loadSync([...files, "error_details.proto"], {
    includeDirs: [PROTO, HERE], keepCase: true, longs: String, oneofs: true });
const { PetitionDesk } = grpc.loadPackageDefinition(types).mediation.desk.v1;
const { ChainService } = grpc.loadPackageDefinition(types).mediation.ledger.v1;
const ledgerType = (name) => types[`mediation.ledger.v1.${name}`];

/** An answer is not what was asked for, or is not proved. Nobody should rely on it. */
class Unproved extends Error {}

function must(holds, what) {
    if (!holds) throw new Unproved(what);
}

// Calls -------------------------------------------------------------------------------------------------------------

/** One detail of the standard error model, by the name of its type in google.rpc. */
function detail(error, name) {
    const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
    const details = packed ? types["google.rpc.Status"].deserialize(packed).details ?? [] : [];
    // The loader opens an Any of a type that it knows.
    for (const any of details) {
        if ((any["@type"] ?? any.type_url)?.endsWith(`/google.rpc.${name}`)) {
            return any.value instanceof Uint8Array ? types[`google.rpc.${name}`].deserialize(any.value) : any;
        }
    }
    return undefined;
}

/** Milliseconds to wait before the same request is sent again; undefined when it must not be. */
function pauseBefore(error, sending) {
    const retry = detail(error, "RetryInfo");
    if (retry) {
        const { seconds = 0, nanos = 0 } = retry.retry_delay ?? {};
        return Math.min(Number(seconds) * 1000 + Math.ceil(nanos / 1e6), PAUSE_MS_MAX);
    }
    // A refusal of the ledger that names no delay is final. A status without details comes from the way there.
    const cut = [grpc.status.UNAVAILABLE, grpc.status.RESOURCE_EXHAUSTED, grpc.status.DEADLINE_EXCEEDED];
    if (detail(error, "ErrorInfo") || !cut.includes(error.code)) return undefined;
    return Math.min(100 * 2 ** sending, PAUSE_MS_MAX) * (0.5 + Math.random() / 2);
}

/**
 * Sends a request, and the very same again while nobody can know whether it was carried out. The event id in it makes
 * that safe: the same act gets the same receipt.
 */
async function call(client, method, request) {
    for (let sending = 0; ; sending += 1) {
        try {
            return await new Promise((resolve, reject) => {
                client[method](request, { deadline: Date.now() + DEADLINE_MS },
                    (error, answer) => (error ? reject(error) : resolve(answer)));
            });
        } catch (error) {
            const wait = pauseBefore(error, sending);
            if (wait === undefined || sending + 1 === SENDINGS_MAX) throw error;
            await pause(wait);
        }
    }
}

// Proofs ------------------------------------------------------------------------------------------------------------

const bytes = (...numbers) => Buffer.from(numbers);

function sha256(...pieces) {
    const hash = crypto.createHash("sha256");
    for (const piece of pieces) hash.update(piece);
    return hash.digest();
}

function isSigned(key, signature, signed) {
    const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
    return signature.length === 64 && crypto.verify(null, signed, crypto.createPublicKey({ key: jwk, format: "jwk" }), signature);
}

/** RFC 6962 section 2.1.1. Index and size are 64 bits wide, so they are BigInt. */
function isIncluded(leaf, index, size, siblings, root) {
    if (index >= size || leaf.length !== 32 || siblings.some((sibling) => sibling.length !== 32)) return false;
    const width = (value) => (value === 0n ? 0 : value.toString(2).length);
    const inner = width(index ^ (size - 1n));
    const border = (index >> BigInt(inner)).toString(2).replaceAll("0", "").length;
    if (siblings.length !== inner + border) return false;
    const node = siblings.reduce((below, sibling, level) => {
        const isRight = level >= inner || (index >> BigInt(level)) & 1n;
        return isRight ? sha256(bytes(1), sibling, below) : sha256(bytes(1), below, sibling);
    }, leaf);
    return node.equals(root);
}

function preAuthentication(statement) {
    const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${statement.length} `;
    return Buffer.concat([Buffer.from(head), statement]);
}

function partDigest(origin, eventId, part) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(part.plaintext.length));
    return sha256("mediation-ledger/part/v1\0", bytes(1, origin.length), origin, eventId,
        bytes(part.kind, part.number), part.salt, length, part.plaintext);
}

/** Parses what was signed or hashed. It has one encoding; two parsers must not read two things in it. */
function canonical(name, data) {
    const message = ledgerType(name).deserialize(data);
    // The library drops unknown fields, so that these show; defaults that were sent it would write again.
    const isDefault = (value) => value === 0 || value === "0" || value === "" || value?.length === 0;
    const holdsDefault = (item) => Object.values(item).some(isDefault);
    must(!holdsDefault(message) && !(message.commitments ?? []).some(holdsDefault)
        && ledgerType(name).serialize(message).equals(data), `the ${name} is not canonical`);
    return message;
}

const uuidBytes = (uuid) => Buffer.from(uuid.replaceAll("-", ""), "hex");

/** Origin and keys of the log, from the policy file, which an agency gets from the founders and not from the server. */
class Trust {
    keys = new Map();

    constructor(policy) {
        for (const line of policy.split("\n")) {
            const [, vkey] = /^(?:# retired-)?log ([^ ]+)/.exec(line) ?? [];
            if (!vkey) continue;
            // Name, key id in hex, base64 of type and key; base64 may hold a + itself.
            const [, name, keyId, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey) ?? [];
            const typed = Buffer.from(encoded ?? "", "base64");
            must(typed.length === 33 && typed[0] === LOG_KEY_TYPE
                && sha256(`${name}\n`, typed).toString("hex").startsWith(keyId), "the policy names a bad log key");
            this.origin = name;
            this.keys.set(keyId, typed.subarray(1));
        }
        must(this.keys.size > 0, "the policy names no log");
    }

    /** Size and root of a checkpoint that the log has signed. */
    checkpoint(note) {
        const end = note.indexOf("\n\n") + 1;
        const text = note.slice(0, end);
        for (const line of note.slice(end + 1).split("\n")) {
            const [dash, name, encoded = ""] = line.split(" ");
            const value = Buffer.from(encoded, "base64");
            const key = this.keys.get(value.subarray(0, 4).toString("hex"));
            if (dash === "—" && name === this.origin && key && isSigned(key, value.subarray(4), Buffer.from(text))) {
                const [origin, size, root] = text.split("\n");
                must(origin === this.origin, "the checkpoint is one of another log");
                return { size: BigInt(size), root: Buffer.from(root, "base64") };
            }
        }
        throw new Unproved("the log has not signed the checkpoint");
    }

    include({ leaf_hash, seal }, { size, root }) {
        must(leaf_hash && seal && isIncluded(leaf_hash, BigInt(seal.leaf_index ?? 0), size, seal.inclusion ?? [], root),
            "the entry is not under the checkpoint");
    }

    /** Entry and statement of a receipt that stand where it says. */
    entry(receipt) {
        must(receipt.leaf_hash?.equals(sha256(bytes(0), receipt.entry)), "the leaf hash is not that of the entry");
        const entry = canonical("Entry", receipt.entry);
        const statement = canonical("Statement", entry.statement);
        must(statement.origin === this.origin && statement.chain.equals(uuidBytes(receipt.chain_id))
            && statement.event_id.equals(uuidBytes(receipt.event_id))
            && (statement.revision ?? "0") === (receipt.revision ?? "0"),
        "the statement is about another ledger, chain, act or place");
        return { entry, statement };
    }
}

// The client --------------------------------------------------------------------------------------------------------

// Which field stands in which part: the proto files say it of each field. Every other field stands in the act part. Each
// subject has an identities part of its own; the acts here name one subject each.
const PARTS = {
    dispute_registered: [[PART_IDENTITIES, ["identities"]], [PART_NARRATIVE, ["summary"]]],
    party_added: [[PART_IDENTITIES, ["identity"]]],
};

/** An act that is asked for, with the parts that the ledger must make of it. */
class Act {
    constructor(ids, name, kind, event, signer) {
        Object.assign(this, { chain: ids.chain, eventId: ids[name], occurredAt: ids.occurred_at, kind, event });
        this.header = { signer, signer_role: "ROLE_REG" };
    }

    request() {
        return { chain_id: this.chain, event_id: this.eventId, occurred_at: { seconds: this.occurredAt },
            header: this.header, core: { [this.kind]: this.event } };
    }

    /** Kind, number and plaintext of each part, in the order of the commitments. */
    parts() {
        const elsewhere = PARTS[this.kind].flatMap(([, fields]) => fields);
        const facts = Object.keys(this.event).filter((field) => !elsewhere.includes(field));
        return [[PART_ACT, facts], ...PARTS[this.kind]].map(([kind, fields]) => {
            const event = Object.fromEntries(fields.map((field) => [field, this.event[field]]));
            const header = kind === PART_ACT ? { header: this.header } : {};
            const plaintext = ledgerType("Act").serialize({ ...header, core: { [this.kind]: event } });
            return { kind, number: 0, plaintext };
        });
    }
}

const content = (parts = []) => parts.map(({ kind, number = 0, plaintext }) =>
    ({ kind, number, plaintext: plaintext.toString("hex") }));

class Client {
    constructor({ ledger, dir, agency, tamper }) {
        const own = (name) => fs.readFileSync(path.join(dir, "pki/agencies", agency, name));
        // The server must show a certificate of this authority for the name it is called by; we show our agency's.
        const credentials = grpc.credentials.createSsl(
            fs.readFileSync(path.join(dir, "pki/authority.pem")), own("certificate.key"), own("certificate.pem"));
        this.desk = new PetitionDesk(ledger, credentials);
        this.chains = new ChainService(ledger, credentials);
        this.trust = new Trust(fs.readFileSync(path.join(dir, "policy"), "utf8"));
        this.key = signingKey(path.join(dir, "keys", agency, "signing.key"));
        this.public = Buffer.from(crypto.createPublicKey(this.key).export({ format: "jwk" }).x, "base64url");
        this.keyId = sha256(bytes(1), this.public);
        Object.assign(this, { agency, tamper });
    }

    close() {
        this.desk.close();
        this.chains.close();
    }

    /** Signed by the desk, which holds the agency's key. */
    async record(act) {
        const receipt = await call(this.desk, "Record", act.request());
        return this.checkReceipt(tampered(receipt, "Record", this.tamper), act);
    }

    /** Signed here: the key never comes near the server, and signs nothing but what was asked for. */
    async recordSigned(act) {
        for (let signing = 0; ; signing += 1) {
            const answer = await call(this.desk, "Prepare", { request: act.request(), key_id: this.keyId });
            // An earlier run has recorded it and did not hear the answer.
            if (answer.recorded) return this.checkReceipt(answer.recorded, act);
            const prepared = this.checkPrepared(tampered(answer, "Prepare", this.tamper).prepared, act);
            const value = crypto.sign(null, preAuthentication(prepared.statement), this.key);
            const request = { statement: prepared.statement, parts: prepared.parts.map(({ part }) => part),
                signatures: [{ key_id: this.keyId, value }] };
            try {
                return this.checkReceipt(await call(this.desk, "Submit", request), act);
            } catch (error) {
                const isStale = error.metadata && detail(error, "ErrorInfo")?.reason === "PREPARED_STALE";
                if (!isStale || signing + 1 === SIGNINGS_MAX) throw error;
            }
        }
    }

    /** Every field is as it was asked for. Revision, predecessor and rule set are the chain's. */
    checkStatement(statement, act) {
        const asked = { origin: this.trust.origin, chain: uuidBytes(act.chain), event_id: uuidBytes(act.eventId),
            agency: this.agency, key_id: this.keyId, occurred_at: String(act.occurredAt) };
        for (const [field, value] of Object.entries(asked)) {
            must(isDeepStrictEqual(statement[field], value), `the statement has another ${field}`);
        }
        const isFirst = (statement.revision ?? "0") === "0";
        must(isFirst === statement.previous.equals(Buffer.alloc(32)), "the statement is linked wrongly");
        const places = (parts) => parts.map(({ kind, number = 0 }) => [kind, number]);
        must(isDeepStrictEqual(places(statement.commitments), places(act.parts())), "the statement commits to other parts");
    }

    checkPrepared(prepared, act) {
        const statement = canonical("Statement", prepared.statement);
        this.checkStatement(statement, act);
        const shown = prepared.parts.map(({ part }) => part);
        // Our own encoding, byte for byte: a server could have prepared another act, or more beside it.
        must(isDeepStrictEqual(content(shown), content(act.parts())), "a part says something else than was asked for");
        this.checkParts(statement, shown);
        return prepared;
    }

    checkParts(statement, parts) {
        for (const { kind, number = 0, salt, plaintext } of parts) {
            const commitment = statement.commitments.find((item) => item.kind === kind && (item.number ?? 0) === number);
            must(commitment?.algorithm === 1 && salt.length === 32
                && commitment.digest.equals(
                    partDigest(this.trust.origin, statement.event_id, { kind, number, salt, plaintext })),
            "a commitment is to something else than the part that is shown");
        }
    }

    checkSignature(entry, statement) {
        const own = entry.signatures.filter((signature) => signature.key_id.equals(this.keyId));
        must(statement.key_id.equals(this.keyId) && own.length === 1
            && isSigned(this.public, own[0].value, preAuthentication(entry.statement)),
        "the agency's key has not signed the entry");
    }

    checkReceipt(receipt, act) {
        must(receipt.seal, "the receipt is not sealed");
        const { entry, statement } = this.trust.entry(receipt);
        this.checkStatement(statement, act);
        this.checkSignature(entry, statement);
        this.trust.include(receipt, this.trust.checkpoint(receipt.seal.checkpoint));
        return receipt;
    }

    /**
     * The chain, every entry proved. An entry of another agency would need that agency's key from the registry chain, as
     * `mediation verify` reads it; this example knows its own key only, and refuses what it cannot prove.
     */
    async read(chain, official) {
        const reading = { reader: official, role: "ROLE_REG", purpose: "ACCESS_PURPOSE_HANDLING" };
        const answer = tampered(
            await call(this.chains, "GetChain", { chain_id: chain, reading }), "GetChain", this.tamper);
        const checkpoint = this.trust.checkpoint(answer.checkpoint);
        let head = Buffer.alloc(32);
        for (const [revision, { receipt, parts = [], fault }] of answer.entries.entries()) {
            this.trust.include(receipt, checkpoint);
            must(!fault, `entry ${revision} does not count: ${fault}`);
            if (receipt.entry?.length) { // without it a placeholder: we may not know more than its hash
                const { entry, statement } = this.trust.entry(receipt);
                must(statement.chain.equals(uuidBytes(chain)) && Number(statement.revision ?? 0) === revision
                    && statement.previous.equals(head), `entry ${revision} is linked wrongly`);
                must(statement.agency === this.agency, `entry ${revision} is one of another agency`);
                this.checkSignature(entry, statement);
                this.checkParts(statement, parts);
            }
            head = receipt.leaf_hash;
        }
        return answer;
    }
}

/** Changes one byte of an answer on demand, so that everybody can see that it is refused. */
function tampered(answer, method, step) {
    const flip = (data) => { data[data.length - 1] ^= 1; };
    const steps = {
        Record: {
            entry: () => flip(answer.entry),
            path: () => flip(answer.seal.inclusion[0]),
            checkpoint: () => { answer.seal.checkpoint = answer.seal.checkpoint.replace("\n\n", "1\n\n"); },
        },
        Prepare: {
            statement: () => flip(answer.prepared.statement),
            part: () => flip(answer.prepared.parts[1].part.plaintext),
            salt: () => flip(answer.prepared.parts[0].part.salt),
        },
        GetChain: { chain: () => flip(answer.entries[1].parts[0].plaintext) },
    };
    steps[method][step]?.();
    return answer;
}

/** An Ed25519 key in PKCS #8. OpenSSL takes no version 2 with the public key, so the seed is read: bytes 16 to 47. */
function signingKey(file) {
    const lines = fs.readFileSync(file, "utf8").split("\n").filter((line) => !line.startsWith("-"));
    const seed = Buffer.from(lines.join(""), "base64").subarray(16, 48);
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
    return crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

/** 48 bits of milliseconds, then chance (RFC 9562). */
function uuid7() {
    const value = crypto.randomBytes(16);
    value.writeUIntBE(Date.now(), 0, 6);
    value[6] = 0x70 | (value[6] & 0x0f);
    value[8] = 0x80 | (value[8] & 0x3f);
    return value.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Chain and event ids, on disk before anything is sent: who crashes sends the same again, and records nothing twice. */
function idsOf(journal) {
    if (!fs.existsSync(journal)) {
        const ids = { chain: crypto.randomUUID(), register: uuid7(), add: uuid7(), occurred_at: Math.floor(Date.now() / 1000) };
        fs.writeFileSync(`${journal}.new`, JSON.stringify(ids), { flush: true });
        fs.renameSync(`${journal}.new`, journal);
    }
    return JSON.parse(fs.readFileSync(journal, "utf8"));
}

const party = (subject, side) =>
    ({ subject, side: `PARTY_SIDE_${side}`, capacity: "PARTY_CAPACITY_NATURAL_PERSON", minor: false });

async function run(client, { agency, journal }) {
    const [ids, official] = [idsOf(journal), `${agency}/REG-1`];
    const registered = new Act(ids, "register", "dispute_registered", {
        channel: "CHANNEL_WALK_IN", division: "360222", dispute_type: "DISPUTE_TYPE_LEASE",
        parties: [party("psn_1", "APPLICANT")], emergency: false,
        identities: [{ subject: "psn_1", name: "霍砚秋" }], summary: "拖欠租金" }, official);
    const added = new Act(ids, "add", "party_added", {
        party: party("psn_2", "RESPONDENT"), identity: { subject: "psn_2", name: "闻人岫" } }, official);
    const say = (how, { revision = 0, seal }) =>
        console.log(`recorded, signed by the ${how}: revision ${revision}, leaf ${seal.leaf_index}`);
    say("desk", await client.record(registered));
    say("caller", await client.recordSigned(added));
    const { entries } = await client.read(ids.chain, official);
    // The desk chose the salts of what it signed, so this is where we see that it recorded what we asked for.
    for (const act of [registered, added]) {
        const shown = entries.find(({ receipt }) => receipt.event_id === act.eventId);
        must(isDeepStrictEqual(content(shown?.parts), content(act.parts())), "the chain does not say what was asked for");
    }
    console.log(`verified: chain ${ids.chain}, ${entries.length} entries`);
}

const text = { type: "string" };
const { values: options } = parseArgs({ options: { ledger: text, dir: text, agency: text, journal: text, tamper: text } });
const missing = ["ledger", "dir", "agency", "journal"].filter((name) => !options[name]);
if (missing.length > 0) {
    console.error(`missing: ${missing.map((name) => `--${name}`).join(", ")}`);
    process.exit(2);
}
const client = new Client(options);
try {
    await run(client, options);
} catch (error) {
    process.exitCode = 1;
    if (error.metadata) {
        const reason = detail(error, "ErrorInfo")?.reason ?? grpc.status[error.code];
        console.error(`${reason}\n  en: ${error.details}\n  zh: ${detail(error, "LocalizedMessage")?.message ?? "—"}`);
    } else {
        // What cannot be read is no proof either.
        console.error(`refused: ${error.message}`);
    }
} finally {
    client.close();
}
