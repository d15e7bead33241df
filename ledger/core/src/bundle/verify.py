#!/usr/bin/env python3
"""证据包独立核验 · Stand-alone verification of an evidence bundle.

用法 · usage:   python3 verify.py FILE.evidence.zip [--policy 信任文件] [--json]

只需 Python 3.9 以上与 cryptography 软件包（pip install cryptography），不需联网。
Needs Python 3.9 or later and the package `cryptography`; no network.

信任文件须另行取得（账本各机构公布），并用 --policy 给出；否则只能以证据包所附的信任文件为准。
请勿使用来历不明的脚本：本脚本的 SHA-256 应与公布的相符。
Get the trust file from elsewhere; without --policy all trust rests on the enclosed one. Get this script from elsewhere too.

不核验三项：登记规则、评判、附件（需用 mediation verify FILE）。
Does not check admission, judgement and enclosures: for these use `mediation verify FILE`.

退出码 · exit code:  0 核验通过 verified   1 有问题 faults found   2 用法有误 wrong usage
"""

import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import zlib
from copy import copy
from datetime import date, datetime, timedelta, timezone
from functools import partial

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.hashes import SM3, Hash
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("缺少 cryptography 软件包 · the package `cryptography` is missing: python3 -m pip install cryptography")

# 每项核验：名称、中文 · every check: name, Chinese title.
CHECKS = {
    "container": "容器", "manifest": "清单", "trust": "信任文件", "checkpoint": "检查点", "witnesses": "见证",
    "registry": "登记链", "entries": "条目格式", "links": "链接", "keys": "密钥", "signatures": "签名",
    "inclusion": "包含证明", "time": "时间", "parts": "内容", "withheld": "未披露内容", "admission": "登记规则",
    "judgement": "评判", "enclosures": "附件",
}

# 不通过的原因 · why a check failed.
CAUSES = {
    "container-too-large": ("容器过大", "the container is too large"),
    "container-malformed": ("容器不是规定的唯一编码", "the container is not in its one encoding"),
    "file-missing": ("缺少文件", "a file is missing"),
    "file-unknown": ("多出文件", "a file does not belong there"),
    "manifest-malformed": ("清单格式有误", "the manifest cannot be read"),
    "file-unlisted": ("文件未列入清单", "the manifest does not list a file"),
    "file-changed": ("文件与清单摘要不符", "a file is not the one that the manifest lists"),
    "policy-malformed": ("信任文件格式有误", "the trust file cannot be read"),
    "policy-differs": ("所附信任文件与核验人所持不同", "the enclosed trust file is not the verifier's"),
    "genesis-unpinned": ("信任文件未固定创世条目", "the trust file pins no genesis"),
    "origin-differs": ("清单所列账本不是信任文件的账本", "the manifest names another ledger than the trust file"),
    "checkpoint-malformed": ("检查点格式有误", "the checkpoint cannot be read"),
    "checkpoint-of-other-log": ("检查点属于另一账本", "the checkpoint is one of another log"),
    "checkpoint-unsigned": ("检查点没有账本的有效签名", "the log did not sign the checkpoint"),
    "quorum-missed": ("见证不足", "too few witnesses cosigned"),
    "genesis-differs": ("登记链不以固定的创世条目开始", "the registry does not begin with the pinned founding"),
    "log-key-differs": ("登记链所列日志公钥不是信任文件的", "the registry names another log key than the trust file"),
    "registry-incomplete": ("登记链内容不全", "the registry is not shown whole"),
    "registry-act-invalid": ("登记行为无效", "an act of the registry has no effect"),
    "entry-foreign": ("外来字节，不是条目", "foreign bytes stand in place of an entry"),
    "entry-too-large": ("条目过大", "an entry is too large"),
    "entry-malformed": ("条目格式有误", "an entry cannot be read"),
    "entry-not-canonical": ("条目不是规范编码", "an entry is not canonical"),
    "statement-malformed": ("陈述格式有误", "a statement cannot be read"),
    "statement-not-canonical": ("陈述不是规范编码", "a statement is not canonical"),
    "other-ledger": ("陈述属于另一账本", "a statement belongs to another ledger"),
    "other-place": ("陈述属于另一链或另一位置", "a statement belongs to another place"),
    "link-broken": ("前后链接断裂", "an entry does not link to the one before"),
    "event-id-repeated": ("行为编号重复", "an event id stands twice"),
    "index-disordered": ("叶序号未递增", "leaf indexes do not grow"),
    "agency-unknown": ("签名机构未参加本账本", "the agency does not take part"),
    "key-unknown": ("该序号处密钥未登记", "the key is not enrolled at that index"),
    "key-of-another": ("密钥属于另一机构", "the key is another agency's"),
    "key-of-other-use": ("密钥不是签署此类行为的密钥", "the key is not the one that signs such an act"),
    "key-not-yet-valid": ("密钥尚未启用", "the key was not yet valid"),
    "key-expired": ("密钥已到期", "the key had expired"),
    "key-replaced": ("密钥此前已被更换", "the key had been replaced"),
    "key-revoked": ("密钥此前已被吊销", "the key had been revoked"),
    "signature-invalid": ("签名无效", "the signature is not the key's"),
    "extra-key-unknown": ("附加签名的密钥在该序号处不计", "the key of an extra signature does not count at that index"),
    "extra-signature-invalid": ("附加签名无效", "an extra signature is not the key's"),
    "proof-malformed": ("包含证明格式有误", "an inclusion proof cannot be read"),
    "proof-of-other-checkpoint": ("包含证明属于另一检查点", "a proof is one under another checkpoint"),
    "proof-invalid": ("包含证明不成立", "a proof does not lead to the checkpoint"),
    "recorded-after-witness": ("登记时间晚于见证时间", "recorded after a witness had seen it"),
    "part-malformed": ("内容部分格式有误", "a part cannot be read"),
    "part-uncommitted": ("内容部分未经陈述承诺", "no statement commits to a part"),
    "part-changed": ("内容部分与承诺不符", "a part is not the one committed to"),
    "withheld-differs": ("未披露内容清单与陈述不符", "the list of what is withheld is another"),
}

# 上限 · bounds.
BUNDLE_BYTES_MAX = 256 * 1024 * 1024
BUNDLE_FILES_MAX = 65_534
ENTRY_BYTES_MAX = 65_535
SIGNATURES_MAX = 16
PARTS_MAX = 256
NOTE_BYTES_MAX = 1_000_000
NOTE_SIGNATURES_MAX = 100
PATH_HASHES_MAX = 63
RECORDED_AT_SLACK_MS = 5 * 60 * 1000

FORMAT = "mediation-ledger/evidence/v1"
PAYLOAD_TYPE = "application/vnd.mediation-ledger.statement.v1+protobuf"
KINDS = {1: "act", 2: "identities", 3: "narrative", 4: "sealed"}
FIXED = ["README.txt", "checkpoint", "findings.json", "manifest.json", "policy", "report.html", "verify.py",
         "withheld.json"]

# 登记链行为的字段号 · field numbers: Act.registry, and the acts that the registry is made of.
FAMILY_REGISTRY, LEDGER_FOUNDED, AGENCY_KEY_ENROLLED, AGENCY_KEY_ROTATED, AGENCY_KEY_REVOKED = 22, 21, 22, 28, 29
AGENCY_ROOT_ROTATED, AGENCY_JOINED, LOG_KEY_ADDED, LOG_KEY_RETIRED = 30, 31, 32, 33
WITNESS_ENROLLED, WITNESS_RETIRED, LEDGER_REINCARNATED = 34, 35, 36
FOUNDINGS = (LEDGER_FOUNDED, LEDGER_REINCARNATED)
ED25519, SM2_SM3 = 1, 2


class Stop(Exception):
    """无法继续 · there is too little to go on."""


class Bad(Exception):
    """格式有误 · bytes are not what they should be; carries the cause."""


def sha256(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


# ---------------------------------------------------------------------------------------------------------------------
# 结论 · the verdict
# ---------------------------------------------------------------------------------------------------------------------

class Verdict:
    def __init__(self):
        self.outcomes, self.exported = {}, None

    def fail(self, check, cause, place=""):
        assert check in CHECKS and cause in CAUSES
        if self.outcomes.get(check, ("", ""))[0] != "failed":
            self.outcomes[check] = ("failed", cause, place)

    def passed(self, check, note):
        self.outcomes.setdefault(check, ("passed", note))

    def leave(self, check, note):
        self.outcomes.setdefault(check, ("unchecked", note))

    def finish(self):
        for check in CHECKS:
            self.leave(check, "因前项不通过，未核验 · not checked, because of what failed before")

    def is_good(self):
        return all(outcome[0] != "failed" for outcome in self.outcomes.values())

    def to_json(self):
        rows = []
        for check in CHECKS:
            outcome = self.outcomes[check]
            failed = outcome[0] == "failed"
            rows.append({"check": check, "state": outcome[0], "cause": outcome[1] if failed else None,
                         "place": outcome[2] if failed else None, "note": None if failed else outcome[1]})
        return {"good": self.is_good(), "exported": self.exported, "checks": rows}

    def print(self):
        print("核验通过 ✓ · verified" if self.is_good() else "核验发现问题 ✗ · faults found")
        for check, zh in CHECKS.items():
            outcome = self.outcomes[check]
            title = check + " " + zh + " " * max(0, 24 - len(check) - 2 * len(zh))
            if outcome[0] == "passed":
                print(f"  ✓ {title} {outcome[1]}")
            elif outcome[0] == "unchecked":
                print(f"  – {title} {outcome[1]}")
            else:
                zh, en = CAUSES[outcome[1]]
                print(f"  ✗ {title} {outcome[1]} {zh} · {en}" + (f"：{outcome[2]}" if outcome[2] else ""))
        if self.exported:
            print(f"  导出 exported by {told(self.exported)}（导出者自述，不是证明；以查阅记录为准"
                  " · the exporter's word and no proof; the record of the reading counts）")


# ---------------------------------------------------------------------------------------------------------------------
# 容器：只有一种编码的 ZIP · the container: a ZIP archive of stored files in one encoding only
# ---------------------------------------------------------------------------------------------------------------------

def write_container(files):
    if len(files) > BUNDLE_FILES_MAX:
        raise Bad("container-too-large")
    body, directory = bytearray(), bytearray()
    for name, content in sorted(files.items(), key=lambda item: item[0].encode()):
        raw = name.encode()
        described = struct.pack("<HHHHHIIIHH", 10, 0, 0, 0, 0x21, zlib.crc32(content), len(content), len(content),
                                len(raw), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 0x031E) + described + bytes(6)
        directory += struct.pack("<II", 0o100644 << 16, len(body)) + raw
        body += b"PK\x03\x04" + described + raw + content
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + end)


def read_container(data):
    if len(data) > BUNDLE_BYTES_MAX:
        raise Bad("container-too-large")
    files, offset = {}, 0
    while data[offset:offset + 4] == b"PK\x03\x04" and offset + 30 <= len(data):
        if len(files) == BUNDLE_FILES_MAX:
            raise Bad("container-too-large")
        size, name_length = struct.unpack_from("<IH", data, offset + 22)
        begin = offset + 30 + name_length
        if begin + size > len(data):
            break
        try:
            name = data[offset + 30:begin].decode()
        except UnicodeDecodeError:
            break
        files[name] = data[begin:begin + size]
        offset = begin + size
    if write_container(files) != data:
        raise Bad("container-malformed")
    return files


# ---------------------------------------------------------------------------------------------------------------------
# 默克尔树 · the Merkle tree (RFC 6962, RFC 9162 2.1.3.2)
# ---------------------------------------------------------------------------------------------------------------------

def hash_leaf(entry):
    return sha256(b"\x00", entry)


def hash_node(left, right):
    return sha256(b"\x01", left, right)


def is_included(leaf, index, size, path, root):
    if index >= size:
        return False
    inner = (index ^ (size - 1)).bit_length()
    border = bin(index >> inner).count("1")
    if len(path) != inner + border:
        return False
    node = leaf
    for level, sibling in enumerate(path):
        if level >= inner or (index >> level) & 1:
            node = hash_node(sibling, node)
        else:
            node = hash_node(node, sibling)
    return node == root


def decode_base64(text, cause):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Bad(cause) from None
    if base64.b64encode(data).decode() != text:
        raise Bad(cause)
    return data


def decimal(text, cause):
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text) or int(text) >= 1 << 64:
        raise Bad(cause)
    return int(text)


# ---------------------------------------------------------------------------------------------------------------------
# Ed25519
# ---------------------------------------------------------------------------------------------------------------------

# 小阶点：人人可为之签名 · points of small order, for which anybody could sign.
WEAK = {bytes.fromhex(point) for point in (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
)}


def is_signed(key, message, signature):
    if len(key) == 65:
        return is_signed_sm2(key, message, signature)
    if len(key) != 32 or len(signature) != 64 or key in WEAK or signature[:32] in WEAK:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# ---------------------------------------------------------------------------------------------------------------------
# SM2 与 SM3 · SM2 with SM3 (GB/T 32918, GB/T 32905): y² = x³ + ax + b (mod P), base point G of order N
# ---------------------------------------------------------------------------------------------------------------------

SM2_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
SM2_A = SM2_P - 3
SM2_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
SM2_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
SM2_G = (0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
         0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0)
SM2_USER_ID = b"1234567812345678"


def sm3(*pieces):
    try:
        digest = Hash(SM3())
    except UnsupportedAlgorithm:
        sys.exit("本机 cryptography 不支持 SM3 · the package `cryptography` of this machine has no SM3")
    for piece in pieces:
        digest.update(piece)
    return digest.finalize()


def sm2_point(key):
    """未压缩的公钥；不在曲线上时为空 · the point of an uncompressed key; none when it is not on the curve."""
    x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    is_on_curve = (y * y - x * x * x - SM2_A * x - SM2_B) % SM2_P == 0
    return (x, y) if len(key) == 65 and key[0] == 4 and max(x, y) < SM2_P and is_on_curve else None


def sm2_add(one, other):
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % SM2_P == 0:
            return None
        slope = (3 * one[0] * one[0] + SM2_A) * pow(2 * one[1], -1, SM2_P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, SM2_P)
    x = (slope * slope - one[0] - other[0]) % SM2_P
    return x, (slope * (one[0] - x) - one[1]) % SM2_P


def sm2_multiple(times, point):
    total = None
    for bit in bin(times)[2:]:
        total = sm2_add(total, total)
        if bit == "1":
            total = sm2_add(total, point)
    return total


def is_signed_sm2(key, message, signature):
    point = sm2_point(key)
    if point is None or len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < SM2_N and 0 < s < SM2_N) or (r + s) % SM2_N == 0:
        return False
    curve = b"".join(number.to_bytes(32, "big") for number in (SM2_A, SM2_B, *SM2_G, *point))
    identity = sm3(struct.pack(">H", 8 * len(SM2_USER_ID)), SM2_USER_ID, curve)
    digest = int.from_bytes(sm3(identity, message), "big")
    found = sm2_add(sm2_multiple(s, SM2_G), sm2_multiple((r + s) % SM2_N, point))
    return found is not None and (digest + found[0]) % SM2_N == r


# ---------------------------------------------------------------------------------------------------------------------
# 签名注记、检查点、信任文件 · signed notes, checkpoints (C2SP), the trust file
# ---------------------------------------------------------------------------------------------------------------------

LOG_TYPE, COSIGNATURE_TYPE = 1, 4


def is_key_name(name):
    return bool(name) and "+" not in name and not any(letter.isspace() or ord(letter) < 32 or 127 <= ord(letter) < 160
                                                      for letter in name)


class Note:
    def __init__(self, data):
        cause = "checkpoint-malformed"
        if len(data) > NOTE_BYTES_MAX:
            raise Bad(cause)
        try:
            message = data.decode()
        except UnicodeDecodeError:
            raise Bad(cause) from None
        head, blank, tail = message.rpartition("\n\n")
        if not blank or not tail.endswith("\n") or any(ord(letter) < 32 and letter != "\n" for letter in message):
            raise Bad(cause)
        self.raw, self.text, self.signatures = data, head + "\n", []
        lines = tail[:-1].split("\n")
        if len(lines) > NOTE_SIGNATURES_MAX:
            raise Bad(cause)
        for line in lines:
            words = line.split(" ", 2)
            if len(words) != 3 or words[0] != "—" or not is_key_name(words[1]):
                raise Bad(cause)
            blob = decode_base64(words[2], cause)
            if len(blob) < 5:
                raise Bad(cause)
            self.signatures.append((words[1], blob[:4], blob[4:]))

    def checkpoint(self):
        """账本名、大小、根 · origin, size, root."""
        cause = "checkpoint-malformed"
        lines = self.text[:-1].split("\n")
        if len(lines) != 3 or not is_key_name(lines[0]):
            raise Bad(cause)
        size, root = decimal(lines[1], cause), decode_base64(lines[2], cause)
        if len(root) != 32 or (size == 0 and root != sha256(b"")):
            raise Bad(cause)
        return lines[0], size, root

    def verify(self, trust):
        """账本是否签名；各见证的时间。任一所信密钥的签名不成立，则整份不成立。
        Whether the log signed; times by witness key. A bad signature of a trusted key rejects the whole note."""
        by_log, times = False, {}
        for name, key_id, value in self.signatures:
            key = trust.keys.get((name, key_id))
            if key is None:
                continue
            kind, public = key
            if kind == LOG_TYPE:
                if not is_signed(public, self.text.encode(), value):
                    return False, {}
                by_log = by_log or name == trust.origin
            else:
                time = int.from_bytes(value[:8], "big")
                message = f"cosignature/v1\ntime {time}\n{self.text}"
                if not is_signed(public, message.encode(), value[8:]):
                    return False, {}
                times.setdefault((name, key_id), time)
        return by_log, times


def read_vkey(text):
    cause = "policy-malformed"
    pieces = text.split("+", 2)
    if len(pieces) != 3 or not is_key_name(pieces[0]):
        raise Bad(cause)
    name, key_id, typed = pieces[0], pieces[1], decode_base64(pieces[2], cause)
    if len(typed) != 33 or typed[0] not in (LOG_TYPE, COSIGNATURE_TYPE) or typed[1:] in WEAK:
        raise Bad(cause)
    computed = sha256(name.encode(), b"\n", typed)[:4]
    if computed.hex() != key_id:
        raise Bad(cause)
    return name, computed, typed[0], typed[1:]


class Trust:
    """信任文件 · the trust file: genesis, keys of the log, witnesses, quorum."""

    def __init__(self, data):
        self.genesis, self.logs, self.retired, self.origin, self.quorum = None, [], [], None, None
        self.keys, self.witnesses, self.groups = {}, {}, {}
        try:
            # A line feed ends a line, and nothing else: what is a comment to one reader must be one to all.
            lines = data.decode().replace("\r\n", "\n").split("\n")
        except UnicodeDecodeError:
            raise Bad("policy-malformed") from None
        for line in lines:
            self.take(line)
        if not self.logs or self.quorum is None or any(name != self.origin for name, _ in self.retired):
            raise Bad("policy-malformed")
        self.logs += [vkey for _, vkey in self.retired]

    def take(self, line):
        bad = Bad("policy-malformed")
        words = [word for word in re.split("[ \\t\\n\\f\\r]+", line) if word]
        if line.startswith("# genesis "):
            value = line[len("# genesis "):]
            if self.genesis or not re.fullmatch("[0-9a-fA-F]{64}", value):
                raise bad
            self.genesis = bytes.fromhex(value)
        elif line.startswith("# retired-log "):
            # 已停用的日志密钥：停用前所签仍然有效 · a key that was replaced: what it signed before still holds.
            vkey = line[len("# retired-log "):]
            name, key_id, kind, public = read_vkey(vkey)
            self.retired.append((name, vkey))
            self.keys[(name, key_id)] = (kind, public)
        elif line.startswith("#") or not words:
            return
        elif words[0] == "log" and len(words) in (2, 3):
            name, key_id, kind, public = read_vkey(words[1])
            if self.origin not in (None, name):
                raise bad
            self.origin = name
            self.logs.append(words[1])
            self.keys[(name, key_id)] = (kind, public)
        elif words[0] == "witness" and len(words) in (3, 4) and self.is_free(words[1]):
            name, key_id, kind, public = read_vkey(words[2])
            # 同一密钥不得以两个名称计两次 · under two names a witness would count twice
            if any(self.keys[known][1] == public for known in self.witnesses.values()):
                raise bad
            self.witnesses[words[1]] = (name, key_id)
            self.keys[(name, key_id)] = (kind, public)
        elif words[0] == "group" and len(words) >= 4 and self.is_free(words[1]):
            members = words[3:]
            if any(member == "none" or self.is_free(member) for member in members) or len(set(members)) < len(members):
                raise bad
            needed = {"any": 1, "all": len(members)}.get(words[2])
            if needed is None:
                needed = int(words[2]) if words[2].isascii() and words[2].isdigit() else 0
            if not 1 <= needed <= len(members):
                raise bad
            self.groups[words[1]] = (needed, members)
        elif (words[0] == "quorum" and len(words) == 2 and self.quorum is None
              and (words[1] == "none" or not self.is_free(words[1]))):
            self.quorum = words[1]
        else:
            raise bad

    def is_free(self, name):
        return name != "none" and name not in self.witnesses and name not in self.groups

    def is_met_by(self, times):
        if self.quorum == "none":
            return True
        met = {name for name, witness in self.witnesses.items() if witness in times}
        # Members stand before their group.
        for name, (needed, members) in self.groups.items():
            if sum(member in met for member in members) >= needed:
                met.add(name)
        return self.quorum in met


class Proof:
    """C2SP tlog-proof."""

    def __init__(self, data, checkpoint):
        cause = "proof-malformed"
        try:
            head, blank, note = data.decode().partition("\n\n")
        except UnicodeDecodeError:
            raise Bad(cause) from None
        lines = head.split("\n")
        if not blank or lines[0] != "c2sp.org/tlog-proof@v1":
            raise Bad(cause)
        has_extra = len(lines) > 1 and lines[1].startswith("extra ")
        if has_extra:
            if not decode_base64(lines[1][len("extra "):], cause):
                raise Bad(cause)
            del lines[1]
        if len(lines) < 2 or not lines[1].startswith("index "):
            raise Bad(cause)
        self.index = decimal(lines[1][len("index "):], cause)
        self.path = [decode_base64(line, cause) for line in lines[2:]]
        if len(self.path) > PATH_HASHES_MAX or any(len(item) != 32 for item in self.path):
            raise Bad(cause)
        try:
            other = Note(note.encode())
        except Bad:
            raise Bad(cause) from None
        if (other.text, other.signatures) != (checkpoint.text, checkpoint.signatures):
            raise Bad("proof-of-other-checkpoint")
        if has_extra:
            raise Bad(cause)


# ---------------------------------------------------------------------------------------------------------------------
# 条目与陈述 · entries and statements (protobuf, canonical encoding)
# ---------------------------------------------------------------------------------------------------------------------

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def read_varint(data, at):
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("cut")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                raise ValueError("too large")
            return value, at
    raise ValueError("too long")


def fields(data):
    """字段号与值 · number and value of every field: an integer, or bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0 or key >= 1 << 32:
            raise ValueError("no field")
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind in (1, 2, 5):
            length = {1: 8, 5: 4}.get(kind)
            if length is None:
                length, at = read_varint(data, at)
            if at + length > len(data):
                raise ValueError("cut")
            value, at = data[at:at + length], at + length
        else:
            raise ValueError("groups are not used")
        found.append((number, kind, value))
    return found


def write_field(number, value):
    """缺省值不写出 · defaults are left out."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value if value else b""


def read_message(data, shape, texts=()):
    """单值字段 · a message with these fields: number → (name, wire kind, repeated). Unknown ones are passed over: then
    its encoding is not the canonical one."""
    message = {name: [] if repeated else (0 if kind == 0 else b"") for name, kind, repeated in shape.values()}
    for number, kind, value in fields(data):
        if number not in shape:
            continue
        name, expected, repeated = shape[number]
        if kind != expected:
            raise ValueError("another type")
        if name in texts:
            value.decode()
        if repeated:
            message[name].append(value)
        else:
            message[name] = value
    return message


COMMITMENT = {1: ("algorithm", 0, False), 2: ("kind", 0, False), 3: ("number", 0, False), 4: ("digest", 2, False)}
STATEMENT = {1: ("origin", 2, False), 2: ("event_id", 2, False), 3: ("chain", 2, False), 4: ("revision", 0, False),
             5: ("previous", 2, False), 6: ("agency", 2, False), 7: ("key_id", 2, False), 8: ("occurred_at", 0, False),
             9: ("rule_set", 2, False), 10: ("commitments", 2, True)}
SIGNATURE = {1: ("key_id", 2, False), 2: ("value", 2, False)}
ENTRY = {1: ("statement", 2, False), 2: ("signatures", 2, True), 3: ("recorded_at", 0, False)}


def encode(message, shape):
    out = b""
    for number, (name, _, repeated) in shape.items():
        value = message[name]
        if repeated:
            # 列表元素一律写出 · every element of a list is written, whatever it is.
            out += b"".join(varint(number << 3 | 2) + varint(len(one)) + one for one in value)
        else:
            out += write_field(number, value)
    return out


def signed_int(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def is_foreign(leaf):
    domain = b"mediation-ledger/foreign/v1\0"
    return leaf.startswith(domain) and len(leaf) == len(domain) + 32


def read_entry(data):
    """条目：陈述、签名、登记时间 · an entry: statement, signatures, recorded time."""
    if is_foreign(data):
        raise Bad("entry-foreign")
    if len(data) > ENTRY_BYTES_MAX:
        raise Bad("entry-too-large")
    try:
        entry = read_message(data, ENTRY)
        signatures = [read_message(one, SIGNATURE) for one in entry["signatures"]]
    except ValueError:
        raise Bad("entry-malformed") from None
    canonical = dict(entry, signatures=[encode(one, SIGNATURE) for one in signatures])
    if encode(canonical, ENTRY) != data:
        raise Bad("entry-not-canonical")
    ids = [one["key_id"] for one in signatures]
    if not 1 <= len(ids) <= SIGNATURES_MAX or any(len(one) != 32 for one in ids) or sorted(set(ids)) != ids:
        raise Bad("entry-malformed")
    entry["signatures"] = {one["key_id"]: one["value"] for one in signatures}
    entry["recorded_at"] = signed_int(entry["recorded_at"])
    return entry


def read_statement(data):
    """陈述 · a statement."""
    bad = Bad("statement-malformed")
    try:
        statement = read_message(data, STATEMENT, texts=("origin", "agency", "rule_set"))
        commitments = [read_message(one, COMMITMENT) for one in statement["commitments"]]
    except ValueError:
        raise bad from None
    canonical = dict(statement, commitments=[encode(one, COMMITMENT) for one in commitments])
    small = all(one["algorithm"] < 1 << 32 and one["number"] < 1 << 32
                and -(1 << 31) <= signed_int(one["kind"]) < 1 << 31 for one in commitments)
    if encode(canonical, STATEMENT) != data or not small:
        raise Bad("statement-not-canonical")
    lengths = {"event_id": 16, "chain": 16, "previous": 32, "key_id": 32}
    if any(len(statement[name]) != length for name, length in lengths.items()):
        raise bad
    for name, length in {"origin": 128, "agency": 64, "rule_set": 64}.items():
        text = statement[name].decode()
        controls = any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)
        if not 1 <= len(statement[name]) <= length or controls:
            raise bad
        statement[name] = text
    places = [(one["kind"], one["number"]) for one in commitments]
    if any(one["algorithm"] != 1 or one["kind"] not in KINDS or one["number"] > 255 or len(one["digest"]) != 32
           for one in commitments):
        raise bad
    if len(places) > PARTS_MAX or not places or places[0] != (1, 0) or sorted(set(places)) != places:
        raise bad
    statement["commitments"] = {place: one["digest"] for place, one in zip(places, commitments)}
    return statement


def part_digest(origin, event_id, place, salt, plaintext):
    return sha256(b"mediation-ledger/part/v1\0", bytes([1, len(origin)]), origin.encode(), event_id, bytes(place),
                  salt, struct.pack(">Q", len(plaintext)), plaintext)


def pre_authentication(statement):
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(statement)} ".encode() + statement


# ---------------------------------------------------------------------------------------------------------------------
# 登记链 · the registry: who takes part, and whose key counts
# ---------------------------------------------------------------------------------------------------------------------

def uuid_v8(digest):
    raw = bytearray(digest[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return bytes(raw)


def registry_chain(origin):
    return uuid_v8(sha256(b"mediation-ledger/registry/v1\0", origin.encode()))


def uuid_text(raw):
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def registry_act(plaintexts):
    """登记行为：种类与字段 · an act of the registry: its number and its fields; None of another family."""
    number, found = None, []
    for plaintext in plaintexts:
        for family, kind, value in fields(plaintext):
            if family == FAMILY_REGISTRY and kind == 2:
                for number, _, inner in fields(value):
                    found += fields(inner)
    return number, found


def last_text(found, number):
    texts = [value for field, kind, value in found if field == number and kind == 2]
    return texts[-1].decode() if texts else None


def last_int(found, number):
    values = [value for field, kind, value in found if field == number and kind == 0]
    return values[-1] if values else None


def public_key(algorithm, text):
    digits = {ED25519: 64, SM2_SM3: 130}.get(algorithm)
    if digits is None or text is None or not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
        raise Bad("registry-act-invalid")
    key = bytes.fromhex(text)
    if key in WEAK or algorithm == SM2_SM3 and sm2_point(key) is None:
        raise Bad("registry-act-invalid")
    return key


def key_id(key):
    return sha256(bytes([ED25519 if len(key) == 32 else SM2_SM3]), key)


def possession(origin, purpose, agency, key):
    """新密钥须签署的字节 · the bytes that a new key signs, to show that it is held."""
    texts = [text.encode() for text in (origin, purpose, agency, key)]
    return b"mediation-ledger/possession/v1\0" + b"".join(struct.pack(">Q", len(text)) + text for text in texts)


SHANGHAI = timezone(timedelta(hours=8))


def day(text):
    if text is None or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Bad("registry-act-invalid")
    return date.fromisoformat(text)


def day_if_given(text):
    return None if text is None else day(text)


def instant(text):
    """秒 · seconds since 1970."""
    if text is not None and "T" not in text:
        text = f"{day(text)}T00:00:00+08:00"
    if text is None or not re.fullmatch(r"[0-9-]{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+08:00", text):
        raise Bad("registry-act-invalid")
    return int(datetime.fromisoformat(text).timestamp())


def day_of(milliseconds):
    instant = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    return instant.astimezone(SHANGHAI).date()


class Key:
    """机构签名密钥 · a signing key of an agency."""

    def __init__(self, agency, key, valid_from, valid_to):
        self.agency, self.key, self.valid_from, self.valid_to = agency, key, valid_from, valid_to
        # 吊销：失效时间（秒）、登记时间（毫秒） · revocations: since when (s), when recorded (ms).
        self.replaced, self.revocations = False, ()

    def fault(self, recorded_at):
        """该密钥为何不能计入 · why an entry that was recorded then does not count by it; None when it does."""
        if any(max(recorded_at, recorded) // 1000 >= since for since, recorded in self.revocations):
            return "key-revoked"
        if self.replaced:
            return "key-replaced"
        if self.valid_from and day_of(recorded_at) < self.valid_from:
            return "key-not-yet-valid"
        if self.valid_to and self.valid_to < day_of(recorded_at):
            return "key-expired"
        return None


class Registry:
    def __init__(self, origin=""):
        # 根密钥：编号 → 机构、公钥、是否已更换 · root keys: id to agency, key, and whether it was replaced.
        self.origin, self.founder, self.agencies, self.roots, self.keys = origin, None, set(), {}, {}
        # 日志密钥：公钥 → 是否已停用；见证人：名称 → 机构、公钥、是否已停用 · log keys, witnesses; whether retired.
        self.logs, self.witnesses = {}, {}

    def copy(self):
        other = Registry(self.origin)
        other.founder, other.agencies, other.roots = self.founder, set(self.agencies), dict(self.roots)
        other.keys = {name: copy(key) for name, key in self.keys.items()}
        other.logs, other.witnesses = dict(self.logs), dict(self.witnesses)
        return other

    def found(self, agency, number, found):
        if number not in FOUNDINGS:
            raise Bad("registry-act-invalid")
        self.founder = agency
        for field, kind, value in found:
            if field == 3 and kind == 2:
                self.admit(fields(value))
        self.logs[last_text(found, 1) or ""] = False

    def admit(self, member):
        agency = last_text(member, 1) or ""
        key = public_key(last_int(member, 5), last_text(member, 6))
        require(agency not in self.agencies and last_int(member, 2) and self.is_free(key))
        self.agencies.add(agency)
        self.roots[key_id(key)] = (agency, key, False)

    def is_free(self, key):
        return key_id(key) not in self.keys and key_id(key) not in self.roots

    def prove(self, purpose, agency, key, proof):
        require(is_signed(key, possession(self.origin, purpose, agency, key_id(key).hex()), signature(proof)))

    def apply(self, agency, number, found, recorded_at):
        require(number not in FOUNDINGS)
        text = partial(last_text, found)
        if number == AGENCY_KEY_ENROLLED:
            key = public_key(last_int(found, 2), text(3))
            require(text(1) == agency and self.is_free(key))
            self.keys[key_id(key)] = Key(agency, key, day(text(4)), day_if_given(text(5)))
        elif number == AGENCY_KEY_ROTATED:
            replaced = self.own(agency, text(1), text(2))
            require(replaced.fault(recorded_at) is None)
            key = public_key(last_int(found, 3), text(4))
            require(self.is_free(key))
            self.prove("signing", agency, key, text(5))
            self.keys[key_id(key)] = Key(agency, key, None, day_if_given(text(6)))
            replaced.replaced = True
        elif number == AGENCY_KEY_REVOKED:
            key, since = self.own(agency, text(1), text(2)), instant(text(4))
            require(all(since < known for known, _ in key.revocations))
            key.revocations += ((since, recorded_at),)
        elif number == AGENCY_ROOT_ROTATED:
            key = public_key(last_int(found, 2), text(3))
            require(text(1) == agency and self.is_free(key))
            self.prove("root", agency, key, text(4))
            self.roots = {name: (owner, root, old or owner == agency)
                          for name, (owner, root, old) in self.roots.items()}
            self.roots[key_id(key)] = (agency, key, False)
        elif number == AGENCY_JOINED:
            self.join(agency, found, text(2))
        else:
            self.apply_to_logs(agency, number, text)

    def join(self, agency, found, proof):
        require(agency == self.founder)
        members = [value for field, kind, value in found if field == 1 and kind == 2]
        require(members)
        member = [piece for value in members for piece in fields(value)]
        key = public_key(last_int(member, 5), last_text(member, 6))
        self.prove("root", last_text(member, 1) or "", key, proof)
        self.admit(member)

    def apply_to_logs(self, agency, number, text):
        if number == LOG_KEY_ADDED:
            require(agency == self.founder)
            name, _, kind, public = read_vkey(text(1) or "")
            require(name == self.origin and kind == LOG_TYPE and text(1) not in self.logs)
            require(is_signed(public, possession(self.origin, "log", agency, text(1)), signature(text(2))))
            self.logs[text(1)] = False
        elif number == LOG_KEY_RETIRED:
            require(agency == self.founder and self.logs.get(text(1)) is False)
            require(list(self.logs.values()).count(False) > 1)
            self.logs[text(1)] = True
        elif number == WITNESS_ENROLLED:
            require(text(1) == agency and read_vkey(text(3) or "")[2] == COSIGNATURE_TYPE)
            taken = any(vkey == text(3) and not retired for _, vkey, retired in self.witnesses.values())
            require(not taken and (text(2) or "") not in self.witnesses)
            self.witnesses[text(2) or ""] = (agency, text(3), False)
        elif number == WITNESS_RETIRED:
            owner, vkey, retired = self.witnesses.get(text(2) or "", (None, None, True))
            require(text(1) == agency == owner and not retired)
            self.witnesses[text(2) or ""] = (owner, vkey, True)

    def own(self, agency, named, wanted):
        """该机构的已登记密钥 · an enrolled key of the agency that signs."""
        require(named == agency and wanted is not None and re.fullmatch("[0-9a-f]{64}", wanted))
        key = self.keys.get(bytes.fromhex(wanted))
        require(key is not None and key.agency == agency)
        return key

    def key_of(self, agency, wanted, on_registry, recorded_at):
        """该机构的密钥，或不能计入的原因 · the key by which an entry of this agency counts, or why none does."""
        if wanted in self.roots:
            owner, key, replaced = self.roots[wanted]
            if owner != agency:
                return None, "key-of-another"
            if not on_registry:
                return None, "key-of-other-use"
            return (None, "key-replaced") if replaced else (key, None)
        enrolled = self.keys.get(wanted)
        if enrolled is None:
            return None, "key-unknown"
        if enrolled.agency != agency:
            return None, "key-of-another"
        fault = enrolled.fault(recorded_at)
        return (None, fault) if fault else (enrolled.key, None)

    def may_sign(self, agency, wanted, number, found):
        """密钥事务由根密钥签署，更换也可由被更换者签署，其余由已登记的密钥签署。
        Roots sign acts about keys, a rotation the replaced key too, and enrolled keys everything else."""
        is_root = self.roots.get(wanted, (None,))[0] == agency
        if number == AGENCY_KEY_ROTATED:
            return is_root or last_text(found, 2) == wanted.hex()
        return is_root == (number in OF_KEYS or number in FOUNDINGS)

    def late(self, wanted, recorded_at):
        """登记之后才吊销，且失效时间在登记之前 · revoked afterwards, as of an instant before."""
        key = self.keys.get(wanted)
        return key is not None and any(since <= recorded_at // 1000 for since, _ in key.revocations)


OF_KEYS = {AGENCY_KEY_ENROLLED, *range(AGENCY_KEY_ROTATED, LEDGER_REINCARNATED)}


def signature(text):
    """行为所载签名；不是时为空 · a signature as an act carries it; empty when it is none."""
    return bytes.fromhex(text) if text and re.fullmatch("([0-9a-f]{2})+", text) else b""


def require(holds):
    if not holds:
        raise Bad("registry-act-invalid")


# ---------------------------------------------------------------------------------------------------------------------
# 证据包 · the bundle
# ---------------------------------------------------------------------------------------------------------------------

MANIFEST = ["format", "tool", "origin", "chain", "as_of", "withhold", "files"]


def is_exported(manifest):
    """导出者自述 · who exported, as he says himself: nobody signs it, and it proves nothing."""
    exported = manifest["exported"]
    by = exported["by"]
    words = [exported["purpose"]] + ([] if by is None else [by["agency"], by["official"], by["role"] or "-"])
    at = datetime.fromisoformat(exported["at"])
    return (list(manifest)[6:] == ["exported", "files"] and list(exported) == ["id", "at", "purpose", "by"]
            and (by is None or list(by) == ["agency", "official", "role"])
            and (by is None or by["role"] is None or by["role"])
            and all(re.fullmatch("[A-Za-z0-9_/.:-]{1,256}", word) for word in words)
            and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", exported["id"])
            and at.isoformat() == exported["at"] and exported["at"].endswith("+08:00"))


def told(exported):
    by = exported["by"]
    who = (f'{by["agency"]} {by["official"]} {by["role"] or "—"}' if by else
           "账本目录持有人 the holder of the directory")
    return f'{who}，目的 for {exported["purpose"]}，{exported["at"]}，导出编号 export id {exported["id"]}'


class Bundle:
    def __init__(self, files, own, verdict):
        self.files, self.verdict, self.known = files, verdict, set(FIXED)
        self.read_manifest()
        for name in FIXED:
            if name not in files:
                verdict.fail("container", "file-missing", name)
        self.read_trust(own)
        self.read_checkpoint()

    def read_manifest(self):
        try:
            text = self.files["manifest.json"].decode()
            manifest = json.loads(text)
            listed = manifest["files"]
            names = [row["name"] for row in listed]
            shape = [list(row) == ["name", "bytes", "sha256"] for row in listed]
            well_formed = (
                json.dumps(manifest, ensure_ascii=False, indent=2) + "\n" == text
                and [name for name in manifest if name != "exported"] == MANIFEST
                and ("exported" not in manifest or is_exported(manifest))
                and manifest["format"] == FORMAT and all(shape)
                and all(one.encode() < other.encode() for one, other in zip(names, names[1:]))
                and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", manifest["chain"])
                and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", manifest["as_of"])
                and all(kind in ("identities", "narrative", "sealed") for kind in manifest["withhold"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            well_formed = False
        if not well_formed:
            self.verdict.fail("manifest", "manifest-malformed", "manifest.json")
            raise Stop
        for row in listed:
            content = self.files.get(row["name"])
            if content is None:
                self.verdict.fail("manifest", "file-missing", row["name"])
            elif (len(content), hashlib.sha256(content).hexdigest()) != (row["bytes"], row["sha256"]):
                self.verdict.fail("manifest", "file-changed", row["name"])
        for name in sorted(self.files, key=str.encode):
            if name != "manifest.json" and name not in names:
                self.verdict.fail("manifest", "file-unlisted", name)
        self.verdict.passed("manifest", f"{len(names)} 个摘要相符 · digests agree")
        self.manifest, self.verdict.exported = manifest, manifest.get("exported")
        self.chain = bytes.fromhex(manifest["chain"].replace("-", ""))

    def read_trust(self, own):
        try:
            enclosed = Trust(self.files["policy"])
        except (KeyError, Bad):
            self.verdict.fail("trust", "policy-malformed", "policy")
            raise Stop from None
        self.trust = trust = own or enclosed
        # 核验人另知的日志密钥是其后启用的 · a key of the log that the verifier knows beside it has joined since.
        if trust.genesis != enclosed.genesis or not set(enclosed.logs) <= set(trust.logs):
            self.verdict.fail("trust", "policy-differs", "policy")
        if trust.genesis is None:
            self.verdict.fail("trust", "genesis-unpinned", "policy")
        if trust.origin != self.manifest["origin"]:
            self.verdict.fail("trust", "origin-differs", "manifest.json")
        self.verdict.passed("trust", "以核验人所持信任文件为准 · by the verifier's own trust file" if own else
                            "仅凭所附信任文件：请另行取得并用 --policy 比对 · trust rests on the enclosed file alone")

    def read_checkpoint(self):
        verdict, self.times = self.verdict, {}
        self.size = self.root = None
        try:
            self.checkpoint = Note(self.files["checkpoint"])
        except (KeyError, Bad):
            verdict.fail("checkpoint", "checkpoint-malformed", "checkpoint")
            raise Stop from None
        try:
            origin, self.size, self.root = self.checkpoint.checkpoint()
        except Bad:
            verdict.fail("checkpoint", "checkpoint-malformed", "checkpoint")
            return
        if origin != self.trust.origin:
            verdict.fail("checkpoint", "checkpoint-of-other-log", "checkpoint")
            return
        by_log, times = self.checkpoint.verify(self.trust)
        if not by_log:
            verdict.fail("checkpoint", "checkpoint-unsigned", "checkpoint")
            return
        self.times = times
        verdict.passed("checkpoint", f"大小 size {self.size}，根 root {self.root.hex()}")
        if not self.trust.is_met_by(times):
            verdict.fail("witnesses", "quorum-missed", "checkpoint")
        cosigned, count = len(times), len(self.trust.witnesses)
        verdict.passed("witnesses", f"{count} 家中 {cosigned} 家共签 · {cosigned} of {count} cosigned" if count else
                       "信任文件未要求见证 · the trust file asks for none")

    def section(self, directory):
        """条目、证明、内容 · entries with their proofs and parts."""
        entries = []
        while True:
            revision = len(entries)
            name = f"{directory}entries/{revision:04}.bin"
            if name not in self.files:
                break
            self.known.add(name)
            item = {"name": name, "entry": self.files[name], "proof": None, "cause": None, "parts": {},
                    "proof_name": f"{directory}proofs/{revision:04}.tlog-proof"}
            proof = self.files.get(item["proof_name"])
            if proof is None:
                self.verdict.fail("container", "file-missing", item["proof_name"])
                item["cause"] = "proof-malformed"
            else:
                self.known.add(item["proof_name"])
                try:
                    item["proof"] = Proof(proof, self.checkpoint)
                except Bad as bad:
                    item["cause"] = str(bad)
            self.read_parts(f"{directory}parts/{revision:04}-", item)
            entries.append(item)
        if not entries:
            self.verdict.fail("container", "file-missing", f"{directory}entries/0000.bin")
        return entries

    def read_parts(self, start, item):
        for name in sorted((name for name in self.files if name.startswith(start)), key=str.encode):
            match = re.fullmatch(r"([1-4])-(0|[1-9][0-9]{0,2})\.bin", name[len(start):])
            if not match or int(match[2]) > 255:
                continue
            self.known.add(name)
            content = self.files[name]
            if len(content) < 32:
                self.verdict.fail("parts", "part-malformed", name)
            else:
                item["parts"][(int(match[1]), int(match[2]))] = (name, content[:32], content[32:])

    def check_names(self):
        number = 0
        while f"timestamps/{number:04}.tsr" in self.files:
            self.known.add(f"timestamps/{number:04}.tsr")
            number += 1
        for name in sorted(set(self.files) - self.known, key=str.encode):
            self.verdict.fail("container", "file-unknown", name)
        self.verdict.passed("container", f"{len(self.files)} 个文件 · files")


class Walk:
    """逐条核验，如同账本的每个读者 · goes along a chain as every reader of the ledger does."""

    def __init__(self, bundle, chain):
        self.bundle, self.verdict, self.chain = bundle, bundle.verdict, chain
        self.origin = bundle.trust.origin
        self.on_registry = chain == registry_chain(self.origin)
        self.head, self.seen, self.registry, self.withheld = bytes(32), set(), None, []
        self.hidden, self.counted, self.extra = None, [], 0

    def take(self, revision, item, registry):
        try:
            entry = read_entry(item["entry"])
            statement = read_statement(entry["statement"])
        except Bad as bad:
            self.verdict.fail("entries", str(bad), item["name"])
            return None
        opened, broken = {}, None
        for place, digest in statement["commitments"].items():
            if place not in item["parts"]:
                self.withheld.append((revision, place, digest))
                continue
            name, salt, plaintext = item["parts"][place]
            if part_digest(self.origin, statement["event_id"], place, salt, plaintext) == digest:
                opened[place] = plaintext
            else:
                broken = broken or name
        if len(opened) < len(statement["commitments"]) and not broken and self.hidden is None:
            self.hidden = item["name"]
        try:
            self.count(revision, item, entry, statement, registry, opened, broken)
        except Bad as bad:
            check, cause, place = bad.args
            self.verdict.fail(check, cause, place)
        if self.head == hash_leaf(item["entry"]):
            self.check_extra(entry, statement["key_id"], self.registry or registry, item["name"])
        for place in item["parts"]:
            if place not in statement["commitments"]:
                self.verdict.fail("parts", "part-uncommitted", item["parts"][place][0])
                break
        return entry

    def count(self, revision, item, entry, statement, registry, opened, broken):
        name = item["name"]
        if statement["origin"] != self.origin:
            raise Bad("links", "other-ledger", name)
        if (statement["chain"], statement["revision"]) != (self.chain, revision):
            raise Bad("links", "other-place", name)
        if statement["previous"] != self.head:
            raise Bad("links", "link-broken", name)
        if statement["event_id"] in self.seen:
            raise Bad("links", "event-id-repeated", name)
        number, found = act(opened.values(), name)
        founds = self.on_registry and self.registry is None
        founded = self.registry or registry
        if founds:
            founded = Registry(self.origin)
            effect(lambda: founded.found(statement["agency"], number, found), name)
        agency, wanted, recorded_at = statement["agency"], statement["key_id"], signed_int(entry["recorded_at"])
        if agency not in founded.agencies:
            raise Bad("keys", "agency-unknown", name)
        key, cause = founded.key_of(agency, wanted, self.on_registry, recorded_at)
        if key is None:
            raise Bad("keys", cause, name)
        value = entry["signatures"].get(wanted, b"")
        if not is_signed(key, pre_authentication(entry["statement"]), value):
            raise Bad("signatures", "signature-invalid", name)
        # 自此该条目有效；其余是关于行为的 · from here on the entry counts; what follows is about its act.
        if founds:
            self.registry = founded
        self.head = hash_leaf(item["entry"])
        self.seen.add(statement["event_id"])
        if broken:
            raise Bad("parts", "part-changed", broken)
        if (1, 0) in opened and not founded.may_sign(agency, wanted, number, found):
            raise Bad("keys", "key-of-other-use", name)
        self.counted.append((wanted, recorded_at))
        if self.on_registry and not founds:
            effect(lambda: self.registry.apply(agency, number, found, recorded_at), name)

    def check_extra(self, entry, own, registry, name):
        """附加签名：不影响效力，无效者指明 · signatures beside the agency's own: they decide nothing, a bad one is named."""
        for wanted, value in entry["signatures"].items():
            if wanted == own:
                continue
            self.extra += 1
            key = registry.keys.get(wanted)
            if key is None or key.fault(entry["recorded_at"]):
                self.verdict.fail("signatures", "extra-key-unknown", name)
            elif not is_signed(key.key, pre_authentication(entry["statement"]), value):
                self.verdict.fail("signatures", "extra-signature-invalid", name)

    def check_inclusion(self, items):
        bundle = self.bundle
        for item in items:
            proof, cause = item["proof"], item["cause"]
            if not cause and bundle.size is not None:
                leaf = hash_leaf(item["entry"])
                if not is_included(leaf, proof.index, bundle.size, proof.path, bundle.root):
                    cause = "proof-invalid"
            if cause:
                self.verdict.fail("inclusion", cause, item["proof_name"])
        for one, other in zip(items, items[1:]):
            if index(one) >= index(other):
                self.verdict.fail("links", "index-disordered", other["proof_name"])


def act(plaintexts, name):
    try:
        return registry_act(plaintexts)
    except ValueError:
        return None, []


def effect(apply, name):
    try:
        apply()
    except (Bad, ValueError):
        raise Bad("registry", "registry-act-invalid", name) from None


def index(item):
    return item["proof"].index if item["proof"] else (1 << 64) - 1


def verify(data, own=None):
    """核验一个证据包 · verifies a bundle."""
    verdict = Verdict()
    for check in ("admission", "judgement", "enclosures"):
        verdict.leave(check, "本脚本不核验，请用 mediation verify FILE · not checked by this script")
    try:
        try:
            files = read_container(data)
        except Bad as bad:
            verdict.fail("container", str(bad))
            raise Stop from None
        bundle = Bundle(files, own, verdict)
        registered, entries = bundle.section("registry/"), bundle.section("")
        bundle.check_names()
        register, history = walk_registry(bundle, registered)
        chain = walk_chain(bundle, entries, history)
        check_withheld(bundle, chain)
        conclude(bundle, register, chain, registered, entries)
    except Stop:
        pass
    verdict.finish()
    return verdict


def walk_registry(bundle, items):
    """登记链，及其每次变化后的状态 · the registry chain, and the registry after each change."""
    walk, history, verdict = Walk(bundle, registry_chain(bundle.trust.origin)), [], bundle.verdict
    for revision, item in enumerate(items):
        walk.take(revision, item, Registry())
        if walk.registry:
            history.append((index(item), walk.registry.copy()))
    walk.check_inclusion(items)
    genesis = bundle.trust.genesis
    if genesis and (not items or hash_leaf(items[0]["entry"]) != genesis):
        verdict.fail("registry", "genesis-differs", "registry/entries/0000.bin")
    if walk.registry and not any(vkey in bundle.trust.logs for vkey in walk.registry.logs):
        verdict.fail("registry", "log-key-differs", "policy")
    if walk.hidden:
        verdict.fail("registry", "registry-incomplete", walk.hidden)
    return walk, history


def walk_chain(bundle, items, history):
    walk, verdict = Walk(bundle, bundle.chain), bundle.verdict
    for revision, item in enumerate(items):
        known = Registry()
        for changed, registry in history:
            if changed >= index(item):
                break
            known = registry
        entry = walk.take(revision, item, known)
        if entry and bundle.times:
            latest = min(bundle.times.values()) * 1000 + RECORDED_AT_SLACK_MS
            if entry["recorded_at"] > latest:
                verdict.fail("time", "recorded-after-witness", item["name"])
    walk.check_inclusion(items)
    return walk


def check_withheld(bundle, walk):
    """每一未披露部分都须列明 · every commitment whose part is not disclosed is named, and no other."""
    expected = [{"revision": revision, "kind": KINDS[place[0]], "number": place[1], "digest": digest.hex()}
                for revision, place, digest in walk.withheld]
    try:
        rows = json.loads(bundle.files["withheld.json"])
        listed = [{name: row[name] for name in ("revision", "kind", "number", "digest")} for row in rows]
        requested = [row["because"] == "REQUESTED" for row in rows]
    except (KeyError, TypeError, ValueError):
        listed, requested = None, []
    reasons = [row["kind"] in bundle.manifest["withhold"] for row in expected]
    if listed != expected or requested != reasons:
        bundle.verdict.fail("withheld", "withheld-differs", "withheld.json")
    bundle.verdict.passed("withheld", f"{len(expected)} 个未披露，逐一列明承诺 · each named with its commitment")


def conclude(bundle, register, chain, registered, entries):
    """无问题的各项 · what is good when nothing was found."""
    verdict, count = bundle.verdict, len(entries) + len(registered)
    registry = register.registry or Registry(bundle.trust.origin)
    verdict.passed("registry", f"创世条目相符，{len(registered)} 项登记，{len(registry.keys)} 把密钥 · acts, keys")
    verdict.passed("entries", f"{len(entries)} 条，登记链 {len(registered)} 条 · entries")
    verdict.passed("links", "逐条相连，序号连续 · each links to the one before")
    verdict.passed("keys", keys_note(registry, chain))
    verdict.passed("signatures", f"{count + register.extra + chain.extra} 个机构签名 · signatures of agencies")
    if bundle.size is not None:
        verdict.passed("inclusion", f"{count} 条均在检查点之下 · all under the checkpoint")
    verdict.passed("time", time_note(bundle.times))
    parts = sum(len(item["parts"]) for item in entries)
    verdict.passed("parts", f"{parts} 个与承诺相符 · agree with their commitments")


def keys_note(registry, chain):
    """事后吊销不改变既有条目，但须告知 · a later revocation takes nothing away; who relies on an entry has to know."""
    late = sum(registry.late(wanted, recorded_at) for wanted, recorded_at in chain.counted)
    valid = "在各自序号处有效 · each valid at its index"
    if not late:
        return valid
    return f"{valid}；{late} 条的密钥事后被吊销 · the keys of {late} were revoked later, as of an instant before"


def time_note(times):
    if not times:
        return "时间未证明：无见证 · time unproved: no witness"
    seen = datetime.fromtimestamp(min(times.values()), timezone(timedelta(hours=8))).isoformat()
    return f"不晚于 {seen} 见证，下界未证明 · not later than a witness saw it; no lower bound"


def main(arguments):
    as_json = "--json" in arguments
    arguments = [argument for argument in arguments if argument != "--json"]
    policy = None
    if "--policy" in arguments[:-1]:
        at = arguments.index("--policy")
        policy = arguments[at + 1]
        del arguments[at:at + 2]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[0], "rb") as file:
            data = file.read(BUNDLE_BYTES_MAX + 1)
        own = None
        if policy:
            with open(policy, "rb") as file:
                own = Trust(file.read(NOTE_BYTES_MAX))
    except OSError as error:
        print(f"无法读取文件 · cannot read: {error}", file=sys.stderr)
        return 2
    except Bad:
        print(f"信任文件格式有误 · the trust file cannot be read: {policy}", file=sys.stderr)
        return 2
    verdict = verify(data, own)
    if as_json:
        print(json.dumps(verdict.to_json(), ensure_ascii=False, indent=2))
    else:
        verdict.print()
    return 0 if verdict.is_good() else 1


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    sys.exit(main(sys.argv[1:]))
