#!/usr/bin/env python3
"""Records two acts at the desk of a petition bureau, proves their receipts, and reads the dispute back.

usage: client.py --ledger 127.0.0.1:7443 --dir LEDGER --agency XF-FL --journal FILE [--tamper STEP]

Exit code: 0 all is proved, 1 the ledger refused or an answer proves nothing.
"""

import argparse
import base64
import hashlib
import importlib
import json
import os
import secrets
import sys
import tempfile
import time
import uuid
from pathlib import Path

import grpc
import grpc_tools
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"
PAYLOAD_TYPE = b"application/vnd.mediation-ledger.statement.v1+protobuf"
LOG_KEY_TYPE = 1  # Ed25519 in C2SP signed-note
DEADLINE_S = 30
SENDINGS_MAX = 8  # a ledger that is away for longer is a matter for people
PAUSE_S_MAX = 10
SIGNINGS_MAX = 8  # times an act is prepared anew while others move its chain


def generated():
    """Compiles the proto files into a directory that lives as long as the process; a build would do it beforehand."""
    directory = tempfile.TemporaryDirectory()
    files = [str(file.relative_to(PROTO)) for file in PROTO.glob("mediation/**/*.proto")]
    included = Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(["protoc", f"-I{PROTO}", f"-I{included}", f"--python_out={directory.name}",
                        f"--grpc_python_out={directory.name}", *files])
    if code != 0:
        sys.exit("the proto files do not compile")
    sys.path.insert(0, directory.name)
    return directory


GENERATED = generated()
act_pb2, chain_pb2, chain_grpc, reading_pb2, signing_pb2, statement_pb2 = (
    importlib.import_module(f"mediation.ledger.v1.{name}")
    for name in ("act_pb2", "chain_pb2", "chain_pb2_grpc", "reading_pb2", "signing_pb2", "statement_pb2"))
core_pb2 = importlib.import_module("mediation.core.v1.core_pb2")
# Another kind of agency has another desk and request type; what follows is the same.
desks_pb2, desks_grpc = (importlib.import_module(f"mediation.desk.v1.{name}") for name in ("desks_pb2", "desks_pb2_grpc"))
codes_pb2, records_pb2 = (importlib.import_module(f"mediation.types.v1.{name}") for name in ("codes_pb2", "records_pb2"))


class Unproved(Exception):
    """An answer is not what was asked for, or is not proved. Nobody should rely on it."""


def require(holds, what):
    if not holds:
        raise Unproved(what)


# Calls ---------------------------------------------------------------------------------------------------------------

def details(error):
    """The details of the standard error model, by the name of their type."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return {item.TypeName(): item for item in status_pb2.Status.FromString(value).details}
    return {}


def detail(error, kind):
    message = kind()
    packed = details(error).get(message.DESCRIPTOR.full_name)
    return message if packed is not None and packed.Unpack(message) else None


def reason(error):
    info = detail(error, error_details_pb2.ErrorInfo)
    return info.reason if info else ""


def pause_before(error, sending):
    """Seconds to wait before the same request is sent again; None when it must not be."""
    retry = detail(error, error_details_pb2.RetryInfo)
    if retry:
        return min(retry.retry_delay.ToMilliseconds() / 1000, PAUSE_S_MAX)
    # A refusal of the ledger that names no delay is final. A status without details comes from the way there.
    cut = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
    if reason(error) or error.code() not in cut:
        return None
    return min(0.1 * 2 ** sending, PAUSE_S_MAX) * (0.5 + secrets.randbelow(500) / 1000)


def call(method, request):
    """Sends a request, and the very same again while nobody can know whether it was carried out. The event id in it
    makes that safe: the same act gets the same receipt."""
    for sending in range(SENDINGS_MAX):
        try:
            return method(request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            pause = pause_before(error, sending)
            if pause is None or sending + 1 == SENDINGS_MAX:
                raise
            time.sleep(pause)


# Proofs --------------------------------------------------------------------------------------------------------------

def sha256(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def is_signed(key, signature, signed):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_included(leaf, index, size, path, root):
    """RFC 6962 section 2.1.1."""
    if index >= size or any(len(sibling) != 32 for sibling in path):
        return False
    inner = (index ^ (size - 1)).bit_length()
    if len(path) != inner + bin(index >> inner).count("1"):
        return False
    node = leaf
    for level, sibling in enumerate(path):
        right = level >= inner or (index >> level) & 1
        node = sha256(b"\x01", sibling, node) if right else sha256(b"\x01", node, sibling)
    return node == root


def pre_authentication(statement):
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(statement), statement)


def part_digest(origin, event_id, part):
    return sha256(b"mediation-ledger/part/v1\0", bytes([1, len(origin)]), origin.encode(), event_id,
                  bytes([part.kind, part.number]), part.salt, len(part.plaintext).to_bytes(8, "big"), part.plaintext)


def canonical(kind, data):
    """Parses what was signed or hashed. It has one encoding; two parsers must not read two things in it."""
    try:
        message = kind.FromString(data)
    except Exception as error:
        raise Unproved(f"no {kind.__name__}: {error}") from None
    message.DiscardUnknownFields()
    require(message.SerializeToString(deterministic=True) == data, f"the {kind.__name__} is not canonical")
    return message


class Trust:
    """Origin and keys of the log, from the policy file, which an agency gets from the founders and not from the server."""

    def __init__(self, policy):
        self.keys = {}
        for line in policy.splitlines():
            words = line.removeprefix("# retired-").split()
            if len(words) >= 2 and words[0] == "log":
                # A vkey: name, key id in hex, base64 of type and key; base64 may hold a + itself.
                self.origin, key_id, typed = words[1].split("+", 2)
                typed = base64.b64decode(typed, validate=True)
                computed = sha256(self.origin.encode(), b"\n", typed)[:4]
                require(typed[0] == LOG_KEY_TYPE and computed.hex() == key_id, "the policy names a bad log key")
                self.keys[computed] = typed[1:]
        require(self.keys, "the policy names no log")

    def checkpoint(self, note):
        """Size and root of a checkpoint that the log has signed."""
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        for line in signatures.split("\n"):
            dash, name, value = (line.split(" ") + ["", ""])[:3]
            if dash == "—" and name == self.origin:
                value = base64.b64decode(value)
                key = self.keys.get(value[:4])
                if key and is_signed(key, value[4:], text.encode()):
                    origin, size, root = text.split("\n")[:3]
                    require(origin == self.origin, "the checkpoint is one of another log")
                    return int(size), base64.b64decode(root)
        raise Unproved("the log has not signed the checkpoint")

    def include(self, receipt, checkpoint):
        size, root = checkpoint
        seal = receipt.seal
        require(is_included(receipt.leaf_hash, seal.leaf_index, size, list(seal.inclusion), root),
                "the entry is not under the checkpoint")

    def entry(self, receipt):
        """Entry and statement of a receipt that stand where it says."""
        require(receipt.leaf_hash == sha256(b"\0", receipt.entry), "the leaf hash is not that of the entry")
        entry = canonical(statement_pb2.Entry, receipt.entry)
        statement = canonical(statement_pb2.Statement, entry.statement)
        place = (statement.origin, statement.chain, statement.event_id, statement.revision)
        said = (self.origin, uuid.UUID(receipt.chain_id).bytes, uuid.UUID(receipt.event_id).bytes, receipt.revision)
        require(place == said, "the statement is about another ledger, chain, act or place")
        return entry, statement


# The client ----------------------------------------------------------------------------------------------------------

class Act:
    """An act that is asked for, with the parts that the ledger must make of it."""

    # Which field stands in which part: the proto files say it of each field. Every other field stands in the act part. Each subject has an
    # identities part of its own; the acts here name one subject each.
    PARTS = {
        "dispute_registered": [(statement_pb2.PART_KIND_IDENTITIES, {"identities"}),
                               (statement_pb2.PART_KIND_NARRATIVE, {"summary"})],
        "party_added": [(statement_pb2.PART_KIND_IDENTITIES, {"identity"})],
    }

    def __init__(self, ids, name, kind, event, signer):
        self.chain, self.event_id, self.occurred_at = ids["chain"], ids[name], ids["occurred_at"]
        self.kind, self.event = kind, event
        self.header = records_pb2.ActHeader(signer=signer, signer_role=codes_pb2.ROLE_REG)

    def request(self):
        request = desks_pb2.PetitionRecordRequest(
            chain_id=self.chain, event_id=self.event_id, header=self.header,
            core=core_pb2.CoreAct(**{self.kind: self.event}))
        request.occurred_at.seconds = self.occurred_at
        return request

    def parts(self):
        """Kind, number and plaintext of each part, in the order of the commitments."""
        elsewhere = set().union(*(fields for _, fields in self.PARTS[self.kind]))
        facts = {field.name for field in self.event.DESCRIPTOR.fields} - elsewhere
        parts = []
        for kind, fields in [(statement_pb2.PART_KIND_ACT, facts), *self.PARTS[self.kind]]:
            event = type(self.event)()
            event.CopyFrom(self.event)
            for field, _ in self.event.ListFields():
                if field.name not in fields:
                    event.ClearField(field.name)
            act = act_pb2.Act(core=core_pb2.CoreAct(**{self.kind: event}))
            if kind == statement_pb2.PART_KIND_ACT:
                act.header.CopyFrom(self.header)
            parts.append((kind, 0, act.SerializeToString(deterministic=True)))
        return parts


class Client:
    def __init__(self, address, directory, agency, tamper):
        pki = directory / "pki"
        certificate = pki / "agencies" / agency
        # The server must show a certificate of this authority for the name it is called by; we show our agency's.
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(
            (pki / "authority.pem").read_bytes(), (certificate / "certificate.key").read_bytes(),
            (certificate / "certificate.pem").read_bytes()))
        self.desk, self.chains = desks_grpc.PetitionDeskStub(channel), chain_grpc.ChainServiceStub(channel)
        self.trust = Trust((directory / "policy").read_text())
        self.agency, self.tamper = agency, tamper
        self.key = signing_key(directory / "keys" / agency / "signing.key")
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = sha256(b"\x01", self.public)

    def record(self, act):
        """Signed by the desk, which holds the agency's key."""
        receipt = call(self.desk.Record, act.request())
        return self.check_receipt(self.tampered(receipt), act)

    def record_signed(self, act):
        """Signed here: the key never comes near the server, and signs nothing but what was asked for."""
        for signing in range(SIGNINGS_MAX):
            answer = call(self.desk.Prepare, desks_pb2.PetitionPrepareRequest(request=act.request(), key_id=self.key_id))
            if answer.HasField("recorded"):  # an earlier run has recorded it and did not hear the answer
                return self.check_receipt(answer.recorded, act)
            prepared = self.check_prepared(self.tampered(answer).prepared, act)
            value = self.key.sign(pre_authentication(prepared.statement))
            request = signing_pb2.SubmitRequest(
                statement=prepared.statement, parts=[shown.part for shown in prepared.parts],
                signatures=[statement_pb2.Signature(key_id=self.key_id, value=value)])
            try:
                return self.check_receipt(call(self.desk.Submit, request), act)
            except grpc.RpcError as error:
                if reason(error) != "PREPARED_STALE" or signing + 1 == SIGNINGS_MAX:
                    raise

    def check_statement(self, statement, act):
        """Every field is as it was asked for. Revision, predecessor and rule set are the chain's."""
        asked = {"origin": self.trust.origin, "chain": uuid.UUID(act.chain).bytes, "agency": self.agency,
                 "event_id": uuid.UUID(act.event_id).bytes, "key_id": self.key_id, "occurred_at": act.occurred_at}
        for field, value in asked.items():
            require(getattr(statement, field) == value, f"the statement has another {field}")
        require((statement.revision == 0) == (statement.previous == bytes(32)), "the statement is linked wrongly")
        places = [(part.kind, part.number) for part in statement.commitments]
        require(places == [part[:2] for part in act.parts()], "the statement commits to other parts")

    def check_prepared(self, prepared, act):
        statement = canonical(statement_pb2.Statement, prepared.statement)
        self.check_statement(statement, act)
        shown = [item.part for item in prepared.parts]
        # Our own encoding, byte for byte: a server could have prepared another act, or more beside it.
        require([(part.kind, part.number, part.plaintext) for part in shown] == act.parts(),
                "a part says something else than was asked for")
        self.check_parts(statement, shown)
        require(len(shown) == len(statement.commitments), "a commitment is not opened")
        return prepared

    def check_parts(self, statement, parts):
        committed = {(item.kind, item.number): item for item in statement.commitments}
        for part in parts:
            commitment = committed.get((part.kind, part.number))
            require(commitment and commitment.algorithm == 1 and len(part.salt) == 32 and
                    commitment.digest == part_digest(self.trust.origin, statement.event_id, part),
                    "a commitment is to something else than the part that is shown")

    def check_signature(self, entry, statement):
        values = [item.value for item in entry.signatures if item.key_id == self.key_id]
        require(statement.key_id == self.key_id and len(values) == 1 and
                is_signed(self.public, values[0], pre_authentication(entry.statement)),
                "the agency's key has not signed the entry")

    def check_receipt(self, receipt, act):
        require(receipt.HasField("seal"), "the receipt is not sealed")
        entry, statement = self.trust.entry(receipt)
        self.check_statement(statement, act)
        self.check_signature(entry, statement)
        self.trust.include(receipt, self.trust.checkpoint(receipt.seal.checkpoint))
        return receipt

    def read(self, chain, official):
        """The chain, every entry proved. An entry of another agency would need that agency's key from the registry
        chain, as `mediation verify` reads it; this example knows its own key only, and refuses what it cannot prove."""
        reading = reading_pb2.Reading(reader=official, role=codes_pb2.ROLE_REG,
                                      purpose=codes_pb2.ACCESS_PURPOSE_HANDLING)
        answer = self.tampered(call(self.chains.GetChain, chain_pb2.GetChainRequest(chain_id=chain, reading=reading)))
        checkpoint, head = self.trust.checkpoint(answer.checkpoint), bytes(32)
        for revision, shown in enumerate(answer.entries):
            receipt = shown.receipt
            self.trust.include(receipt, checkpoint)
            require(not shown.fault, f"entry {revision} does not count: {shown.fault}")
            if receipt.entry:  # without it a placeholder: we may not know more than its hash
                entry, statement = self.trust.entry(receipt)
                place = (statement.chain, statement.revision, statement.previous)
                require(place == (uuid.UUID(chain).bytes, revision, head), f"entry {revision} is linked wrongly")
                require(statement.agency == self.agency, f"entry {revision} is one of another agency")
                self.check_signature(entry, statement)
                self.check_parts(statement, shown.parts)
            head = receipt.leaf_hash
        return answer

    def tampered(self, answer):
        """Changes one byte of an answer on demand, so that everybody can see that it is refused."""
        flip = {
            ("Receipt", "entry"): lambda: setattr(answer, "entry", flipped(answer.entry)),
            ("Receipt", "path"): lambda: answer.seal.inclusion.__setitem__(0, flipped(answer.seal.inclusion[0])),
            ("Receipt", "checkpoint"): lambda: setattr(
                answer.seal, "checkpoint", answer.seal.checkpoint.replace("\n\n", "1\n\n", 1)),
            ("PrepareResponse", "statement"): lambda: setattr(
                answer.prepared, "statement", flipped(answer.prepared.statement)),
            ("PrepareResponse", "part"): lambda: setattr(
                answer.prepared.parts[1].part, "plaintext", flipped(answer.prepared.parts[1].part.plaintext)),
            ("PrepareResponse", "salt"): lambda: setattr(
                answer.prepared.parts[0].part, "salt", flipped(answer.prepared.parts[0].part.salt)),
            ("GetChainResponse", "chain"): lambda: setattr(
                answer.entries[1].parts[0], "plaintext", flipped(answer.entries[1].parts[0].plaintext)),
        }.get((type(answer).__name__, self.tamper))
        if flip:
            flip()
        return answer


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def signing_key(file):
    """An Ed25519 key in PKCS #8. OpenSSL takes no version 2 with the public key, so the seed is read: bytes 16 to 47."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("-")]
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode("".join(lines))[16:48])


def uuid7():
    """48 bits of milliseconds, then chance (RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(3 << 62) | 7 << 76 | 2 << 62))


def ids_of(journal):
    """Chain and event ids, on disk before anything is sent: who crashes sends the same again, and records nothing twice."""
    if not journal.exists():
        ids = {"chain": str(uuid.uuid4()), "register": uuid7(), "add": uuid7(), "occurred_at": int(time.time())}
        new = journal.with_suffix(".new")
        with open(new, "w", encoding="utf-8") as file:
            json.dump(ids, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(journal)
    return json.loads(journal.read_text())


def party(subject, side):
    return records_pb2.Party(subject=subject, side=side, capacity=codes_pb2.PARTY_CAPACITY_NATURAL_PERSON, minor=False)


def run(options):
    client = Client(options.ledger, options.dir, options.agency, options.tamper)
    ids, official = ids_of(options.journal), f"{options.agency}/REG-1"
    registered = Act(ids, "register", "dispute_registered", core_pb2.DisputeRegistered(
        channel=codes_pb2.CHANNEL_WALK_IN, division="360222", dispute_type=codes_pb2.DISPUTE_TYPE_LEASE,
        parties=[party("psn_1", codes_pb2.PARTY_SIDE_APPLICANT)], emergency=False,
        identities=[records_pb2.Identity(subject="psn_1", name="霍砚秋")], summary="拖欠租金"), official)
    added = Act(ids, "add", "party_added", core_pb2.PartyAdded(
        party=party("psn_2", codes_pb2.PARTY_SIDE_RESPONDENT),
        identity=records_pb2.Identity(subject="psn_2", name="闻人岫")), official)
    for how, receipt in [("desk", client.record(registered)), ("caller", client.record_signed(added))]:
        print(f"recorded, signed by the {how}: revision {receipt.revision}, leaf {receipt.seal.leaf_index}")
    answer = client.read(ids["chain"], official)
    # The desk chose the salts of what it signed, so this is where we see that it recorded what we asked for.
    shown = {entry.receipt.event_id: [(part.kind, part.number, part.plaintext) for part in entry.parts]
             for entry in answer.entries}
    for act in (registered, added):
        require(shown.get(act.event_id) == act.parts(), "the chain does not say what was asked for")
    print(f"verified: chain {ids['chain']}, {len(answer.entries)} entries")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", required=True, help="address, HOST:PORT")
    parser.add_argument("--dir", required=True, type=Path, help="directory with pki/, keys/ and policy")
    parser.add_argument("--agency", required=True, help="a petition bureau, such as XF-FL")
    parser.add_argument("--journal", required=True, type=Path, help="where the ids of what is sent are kept")
    parser.add_argument("--tamper", choices=["entry", "path", "checkpoint", "statement", "part", "salt", "chain"],
                        help="change a byte of that answer: it must be refused")
    try:
        run(parser.parse_args())
    except Unproved as unproved:
        sys.exit(f"refused: {unproved}")
    except (ValueError, IndexError) as error:
        sys.exit(f"refused: what came back, or a file, is malformed: {error}")
    except grpc.RpcError as error:
        chinese = detail(error, error_details_pb2.LocalizedMessage)
        sys.exit(f"{reason(error) or error.code().name}\n  en: {error.details()}\n  zh: {chinese.message if chinese else '—'}")


if __name__ == "__main__":
    main()
