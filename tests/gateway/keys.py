"""Gives every request that would be recorded a key of its own: made-up keys have made-up moments, which are refused."""

import re
import secrets
import time

import schemathesis

KEY = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


def fresh():
    digits = f"{time.time_ns() // 1_000_000:012x}7{secrets.token_hex(2)[1:]}8{secrets.token_hex(8)[1:]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@schemathesis.hook
def before_call(context, case, kwargs):
    said = (case.headers or {}).get("Idempotency-Key")
    if isinstance(said, str) and KEY.match(said):
        case.headers["Idempotency-Key"] = fresh()
