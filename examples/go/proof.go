package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	ledger "mediation.example/client/gen/mediation/ledger/v1"
)

const (
	payloadType = "application/vnd.mediation-ledger.statement.v1+protobuf"
	logKeyType  = 1 // Ed25519 in C2SP signed-note
)

// An answer is not what was asked for, or is not proved. Nobody should rely on it.
type unproved string

func (what unproved) Error() string { return string(what) }

func sha(pieces ...[]byte) []byte {
	digest := sha256.Sum256(bytes.Join(pieces, nil))
	return digest[:]
}

// The digits of a UUID.
func plain(uuid string) string { return strings.ReplaceAll(uuid, "-", "") }

// RFC 6962 section 2.1.1.
func isIncluded(leaf []byte, index, size uint64, path [][]byte, root []byte) bool {
	if index >= size || len(leaf) != 32 {
		return false
	}
	inner := bits.Len64(index ^ (size - 1))
	if len(path) != inner+bits.OnesCount64(index>>inner) {
		return false
	}
	node := leaf
	for level, sibling := range path {
		if len(sibling) != 32 {
			return false
		}
		if level >= inner || index>>level&1 == 1 {
			node = sha([]byte{1}, sibling, node)
		} else {
			node = sha([]byte{1}, node, sibling)
		}
	}
	return same(node, root)
}

func preAuthentication(statement []byte) []byte {
	head := fmt.Sprintf("DSSEv1 %d %s %d ", len(payloadType), payloadType, len(statement))
	return append([]byte(head), statement...)
}

func partDigest(origin string, eventID []byte, part *ledger.DisclosedPart) []byte {
	length := make([]byte, 8)
	binary.BigEndian.PutUint64(length, uint64(len(part.Plaintext)))
	return sha([]byte("mediation-ledger/part/v1\x00"), []byte{1, byte(len(origin))}, []byte(origin), eventID,
		[]byte{byte(part.Kind), byte(part.Number)}, part.Salt, length, part.Plaintext)
}

// Parses what was signed or hashed. It has one encoding; two parsers must not read two things in it.
func canonical(data []byte, message proto.Message) error {
	name := message.ProtoReflect().Descriptor().Name()
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, message); err != nil {
		return unproved(fmt.Sprintf("no %s: %v", name, err))
	}
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil || !same(again, data) {
		return unproved(fmt.Sprintf("the %s is not canonical", name))
	}
	return nil
}

// Origin and keys of the log, from the policy file, which an agency gets from the founders and not from the server.
type trust struct {
	origin string
	keys   map[string]ed25519.PublicKey
}

func trusted(policy string) (trust, error) {
	trust := trust{keys: map[string]ed25519.PublicKey{}}
	for _, line := range strings.Split(policy, "\n") {
		words := strings.Fields(strings.TrimPrefix(line, "# retired-"))
		if len(words) < 2 || words[0] != "log" {
			continue
		}
		// A vkey: name, key id in hex, base64 of type and key; base64 may hold a + itself.
		vkey := strings.SplitN(words[1], "+", 3)
		if len(vkey) != 3 {
			return trust, unproved("the policy names a bad log key")
		}
		typed, err := base64.StdEncoding.DecodeString(vkey[2])
		if err != nil || len(typed) != 33 || typed[0] != logKeyType {
			return trust, unproved("the policy names a bad log key")
		}
		computed := sha([]byte(vkey[0]+"\n"), typed)[:4]
		if hex.EncodeToString(computed) != vkey[1] {
			return trust, unproved("the policy names a bad log key")
		}
		trust.origin = vkey[0]
		trust.keys[string(computed)] = typed[1:]
	}
	if len(trust.keys) == 0 {
		return trust, unproved("the policy names no log")
	}
	return trust, nil
}

// Size and root of a tree.
type head struct {
	size uint64
	root []byte
}

// Size and root of a checkpoint that the log has signed.
func (trust trust) checkpoint(note string) (head, error) {
	text, signatures, _ := strings.Cut(note, "\n\n")
	text += "\n"
	for _, line := range strings.Split(signatures, "\n") {
		words := strings.Split(line, " ")
		if len(words) != 3 || words[0] != "—" || words[1] != trust.origin {
			continue
		}
		value, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil || len(value) < 4 {
			continue
		}
		key, known := trust.keys[string(value[:4])]
		if !known || !ed25519.Verify(key, []byte(text), value[4:]) {
			continue
		}
		lines := strings.Split(text, "\n")
		if len(lines) < 4 || lines[0] != trust.origin {
			return head{}, unproved("the checkpoint is one of another log")
		}
		size, err := strconv.ParseUint(lines[1], 10, 64)
		if err != nil {
			return head{}, err
		}
		root, err := base64.StdEncoding.DecodeString(lines[2])
		return head{size, root}, err
	}
	return head{}, unproved("the log has not signed the checkpoint")
}

func include(receipt *ledger.Receipt, head head) error {
	seal := receipt.GetSeal()
	if seal == nil || !isIncluded(receipt.LeafHash, seal.LeafIndex, head.size, seal.Inclusion, head.root) {
		return unproved("the entry is not under the checkpoint")
	}
	return nil
}

// Entry and statement of a receipt that stand where it says.
func (trust trust) entry(receipt *ledger.Receipt) (*ledger.Entry, *ledger.Statement, error) {
	if !same(receipt.LeafHash, sha([]byte{0}, receipt.Entry)) {
		return nil, nil, unproved("the leaf hash is not that of the entry")
	}
	entry, statement := &ledger.Entry{}, &ledger.Statement{}
	if err := canonical(receipt.Entry, entry); err != nil {
		return nil, nil, err
	}
	if err := canonical(entry.Statement, statement); err != nil {
		return nil, nil, err
	}
	holds := statement.Origin == trust.origin && hex.EncodeToString(statement.Chain) == plain(receipt.ChainId) &&
		hex.EncodeToString(statement.EventId) == plain(receipt.EventId) && statement.Revision == receipt.Revision
	if !holds {
		return nil, nil, unproved("the statement is about another ledger, chain, act or place")
	}
	return entry, statement, nil
}

func (trust trust) checkParts(statement *ledger.Statement, parts []*ledger.DisclosedPart) error {
	for _, part := range parts {
		holds := false
		for _, commitment := range statement.Commitments {
			if commitment.Kind == part.Kind && commitment.Number == part.Number {
				holds = commitment.Algorithm == 1 && len(part.Salt) == 32 &&
					same(commitment.Digest, partDigest(trust.origin, statement.EventId, part))
			}
		}
		if !holds {
			return unproved("a commitment is to something else than the part that is shown")
		}
	}
	return nil
}

func same(one, other []byte) bool { return bytes.Equal(one, other) }
