"""Reads and writes with a client of KurrentDB that is not ours, against the server at the address given.

It knows how a real server answers: what it accepts here, a real server may have said.
"""

import sys
import uuid

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import NotFoundError, WrongCurrentVersionError


def event(data):
    return NewEvent(
        type="kind", data=data, content_type="application/octet-stream", metadata=b"envelope"
    )


def refused(call, error):
    try:
        call()
    except error:
        return
    raise AssertionError(f"not refused with {error.__name__}")


def main(address):
    client = KurrentDBClient(f"esdb://{address}?Tls=false")
    stream = f"chain-{uuid.uuid4()}"
    events = [event(b"\x00\xff"), event(b"{}"), event(b"")]
    first = client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=events[0])
    # A list goes through the batched call.
    assert client.append_to_stream(stream, current_version=0, events=events[1:]) > first
    refused(
        lambda: client.append_to_stream(stream, current_version=0, events=event(b"late")),
        WrongCurrentVersionError,
    )
    refused(
        lambda: client.append_to_stream(stream, current_version=7, events=[event(b"a"), event(b"b")]),
        WrongCurrentVersionError,
    )
    refused(lambda: client.get_stream("chain-none"), NotFoundError)

    read = client.get_stream(stream)
    assert [(e.id, e.data, e.metadata) for e in read] == [(e.id, e.data, b"envelope") for e in events]
    assert [e.stream_position for e in client.get_stream(stream, backwards=True)] == [2, 1, 0]
    everything = list(client.read_all())
    assert [e.id for e in everything if e.stream_name == stream] == [e.id for e in events]
    assert not any(e.type.startswith("$") for e in everything)
    assert client.get_commit_position() == everything[-1].commit_position

    metadata, version = client.get_stream_metadata(stream)
    assert (metadata, version) == ({}, StreamState.NO_STREAM)
    client.set_stream_metadata(stream, metadata={"$maxCount": 2}, current_version=version)
    assert client.get_stream_metadata(stream) == ({"$maxCount": 2}, 0)
    assert [e.stream_position for e in client.get_stream(stream)] == [1, 2]

    following = client.subscribe_to_all(commit_position=everything[-1].commit_position)
    client.append_to_stream(stream, current_version=2, events=event(b"live"))
    assert next(iter(following)).data == b"live"
    following.stop()
    assert client.list_subscriptions() == []
    client.close()


main(sys.argv[1])
