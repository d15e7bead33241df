"""Proofs of ours before an implementation that is not ours: reads them as JSON, prints what scitt-cose says of each."""

import json
import sys

from scitt_cose import verify_consistency, verify_inclusion

proofs = json.load(sys.stdin)
for proof in proofs["inclusion"]:
    print(verify_inclusion(proof["entry"], proof["index"], proof["size"], proof["path"], proof["root"]))
for proof in proofs["consistency"]:
    print(verify_consistency(proof["first_root"], proof["second_root"], proof["first"], proof["second"], proof["path"]))
