package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "mediation.example/client/gen/mediation/core/v1"
	desk "mediation.example/client/gen/mediation/desk/v1"
	ledger "mediation.example/client/gen/mediation/ledger/v1"
	types "mediation.example/client/gen/mediation/types/v1"
)

const (
	deadline    = 30 * time.Second
	sendingsMax = 8 // a ledger that is away for longer is a matter for people
	pauseMax    = 10 * time.Second
	signingsMax = 8 // times an act is prepared anew while others move its chain

	partAct        = ledger.PartKind_PART_KIND_ACT
	partIdentities = ledger.PartKind_PART_KIND_IDENTITIES
	partNarrative  = ledger.PartKind_PART_KIND_NARRATIVE
)

// A part of an act that is asked for: its kind, and the fields that stand in it.
type asked struct {
	kind  ledger.PartKind
	event *core.CoreAct
}

// An act that is asked for, with the parts that the ledger must make of it, in the order of the commitments.
type act struct {
	chain, eventID string
	occurredAt     int64
	header         *types.ActHeader
	asked          *core.CoreAct
	parts          []asked
}

// Another kind of agency has another desk and request type; what follows is the same.
func (act act) request() *desk.PetitionRecordRequest {
	return &desk.PetitionRecordRequest{ChainId: &act.chain, EventId: &act.eventID, Header: act.header,
		OccurredAt: &timestamppb.Timestamp{Seconds: act.occurredAt},
		Act:        &desk.PetitionRecordRequest_Core{Core: act.asked}}
}

// Kind, number and plaintext of each part, by our own encoding.
func (act act) encoded() ([]*ledger.DisclosedPart, error) {
	var parts []*ledger.DisclosedPart
	for _, part := range act.parts {
		message := &ledger.Act{Family: &ledger.Act_Core{Core: part.event}}
		if part.kind == partAct {
			message.Header = act.header
		}
		plaintext, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil {
			return nil, err
		}
		parts = append(parts, &ledger.DisclosedPart{Kind: part.kind, Plaintext: plaintext})
	}
	return parts, nil
}

// Whether these parts are what was asked for, byte for byte: a server could have made another act of it, or more beside it.
func (act act) says(parts []*ledger.DisclosedPart) bool {
	expected, err := act.encoded()
	if err != nil || len(parts) != len(expected) {
		return false
	}
	for at, part := range parts {
		if part.Kind != expected[at].Kind || part.Number != 0 || !same(part.Plaintext, expected[at].Plaintext) {
			return false
		}
	}
	return true
}

type client struct {
	connection     *grpc.ClientConn
	desk           desk.PetitionDeskClient
	chains         ledger.ChainServiceClient
	trust          trust
	agency, tamper string
	key            ed25519.PrivateKey
	public         ed25519.PublicKey
	keyID          []byte
}

func connect(address, directory, agency, tamper string) (*client, error) {
	own := filepath.Join(directory, "pki", "agencies", agency)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(own, "certificate.pem"), filepath.Join(own, "certificate.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(directory, "pki", "authority.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, unproved("the authority is no certificate")
	}
	policy, err := os.ReadFile(filepath.Join(directory, "policy"))
	if err != nil {
		return nil, err
	}
	trust, err := trusted(string(policy))
	if err != nil {
		return nil, err
	}
	key, err := signingKey(filepath.Join(directory, "keys", agency, "signing.key"))
	if err != nil {
		return nil, err
	}
	// The server must show a certificate of this authority for the name it is called by; we show our agency's.
	connection, err := grpc.Dial(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})))
	if err != nil {
		return nil, err
	}
	public := key.Public().(ed25519.PublicKey)
	return &client{connection, desk.NewPetitionDeskClient(connection), ledger.NewChainServiceClient(connection), trust,
		agency, tamper, key, public, sha(([]byte{1}), public)}, nil
}

// An Ed25519 key in PKCS #8 version 2, which carries the public key: the seed is bytes 16 to 47.
func signingKey(file string) (ed25519.PrivateKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || len(block.Bytes) < 48 {
		return nil, unproved("the signing key is no Ed25519 key in PKCS #8")
	}
	return ed25519.NewKeyFromSeed(block.Bytes[16:48]), nil
}

// The reason of a refusal; empty when the ledger did not say any.
func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return ""
}

func codeName(code codes.Code) string {
	if code == codes.Unavailable {
		return "UNAVAILABLE"
	}
	return code.String()
}

// How long to wait before the same request is sent again, and whether it may be.
func pauseBefore(err error, sending int) (time.Duration, bool) {
	said := status.Convert(err)
	for _, detail := range said.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			return bounded(retry.RetryDelay.AsDuration()), true
		}
	}
	// A refusal of the ledger that names no delay is final. A status without details comes from the way there.
	cut := said.Code() == codes.Unavailable || said.Code() == codes.ResourceExhausted || said.Code() == codes.DeadlineExceeded
	if reasonOf(err) != "" || !cut {
		return 0, false
	}
	pause := bounded(100 * time.Millisecond << sending)
	spread, err := rand.Int(rand.Reader, big.NewInt(int64(pause/2)))
	if err != nil {
		return pause, true
	}
	return pause/2 + time.Duration(spread.Int64()), true
}

func bounded(pause time.Duration) time.Duration {
	if pause > pauseMax {
		return pauseMax
	}
	return pause
}

// Sends a request, and the very same again while nobody can know whether it was carried out. The event id in it makes that
// safe: the same act gets the same receipt.
func call[Q, A any](ctx context.Context, method func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) (A, error) {
	for sending := 0; ; sending++ {
		limited, cancel := context.WithTimeout(ctx, deadline)
		answer, err := method(limited, request)
		cancel()
		if err == nil {
			return answer, nil
		}
		pause, may := pauseBefore(err, sending)
		if !may || sending+1 == sendingsMax {
			return answer, err
		}
		time.Sleep(pause)
	}
}

// Signed by the desk, which holds the agency's key.
func (client *client) record(ctx context.Context, act act) (*ledger.Receipt, error) {
	receipt, err := call(ctx, client.desk.Record, act.request())
	if err != nil {
		return nil, err
	}
	client.tamperReceipt(receipt)
	return receipt, client.checkReceipt(receipt, act)
}

// Signed here: the key never comes near the server, and signs nothing but what was asked for.
func (client *client) recordSigned(ctx context.Context, act act) (*ledger.Receipt, error) {
	for signing := 1; ; signing++ {
		answer, err := call(ctx, client.desk.Prepare,
			&desk.PetitionPrepareRequest{Request: act.request(), KeyId: client.keyID})
		if err != nil {
			return nil, err
		}
		// An earlier run has recorded it and did not hear the answer.
		if recorded := answer.GetRecorded(); recorded != nil {
			return recorded, client.checkReceipt(recorded, act)
		}
		prepared := answer.GetPrepared()
		client.tamperPrepared(prepared)
		parts, err := client.checkPrepared(prepared, act)
		if err != nil {
			return nil, err
		}
		value := ed25519.Sign(client.key, preAuthentication(prepared.Statement))
		receipt, err := call(ctx, client.desk.Submit, &ledger.SubmitRequest{Statement: prepared.Statement, Parts: parts,
			Signatures: []*ledger.Signature{{KeyId: client.keyID, Value: value}}})
		if err == nil {
			return receipt, client.checkReceipt(receipt, act)
		}
		if reasonOf(err) != "PREPARED_STALE" || signing == signingsMax {
			return nil, err
		}
	}
}

// Every field is as it was asked for. Revision, predecessor and rule set are the chain's.
func (client *client) checkStatement(statement *ledger.Statement, act act) error {
	isFirst := statement.Revision == 0
	expected, err := act.encoded()
	if err != nil {
		return err
	}
	switch {
	case statement.Origin != client.trust.origin:
		return unproved("the statement has another origin")
	case hex.EncodeToString(statement.Chain) != plain(act.chain):
		return unproved("the statement has another chain")
	case hex.EncodeToString(statement.EventId) != plain(act.eventID):
		return unproved("the statement has another event_id")
	case statement.Agency != client.agency:
		return unproved("the statement has another agency")
	case !same(statement.KeyId, client.keyID):
		return unproved("the statement has another key_id")
	case statement.OccurredAt != act.occurredAt:
		return unproved("the statement has another occurred_at")
	case isFirst != same(statement.Previous, make([]byte, 32)):
		return unproved("the statement is linked wrongly")
	case len(statement.Commitments) != len(expected):
		return unproved("the statement commits to other parts")
	}
	for at, commitment := range statement.Commitments {
		if commitment.Kind != expected[at].Kind || commitment.Number != 0 {
			return unproved("the statement commits to other parts")
		}
	}
	return nil
}

func (client *client) checkPrepared(prepared *ledger.Prepared, act act) ([]*ledger.DisclosedPart, error) {
	statement := &ledger.Statement{}
	if err := canonical(prepared.GetStatement(), statement); err != nil {
		return nil, err
	}
	if err := client.checkStatement(statement, act); err != nil {
		return nil, err
	}
	var parts []*ledger.DisclosedPart
	for _, shown := range prepared.Parts {
		parts = append(parts, shown.Part)
	}
	if !act.says(parts) {
		return nil, unproved("a part says something else than was asked for")
	}
	return parts, client.trust.checkParts(statement, parts)
}

func (client *client) checkSignature(entry *ledger.Entry, statement *ledger.Statement) error {
	own := 0
	for _, signature := range entry.Signatures {
		if same(signature.KeyId, client.keyID) {
			if !ed25519.Verify(client.public, preAuthentication(entry.Statement), signature.Value) {
				return unproved("the agency's key has not signed the entry")
			}
			own++
		}
	}
	if own != 1 || !same(statement.KeyId, client.keyID) {
		return unproved("the agency's key has not signed the entry")
	}
	return nil
}

func (client *client) checkReceipt(receipt *ledger.Receipt, act act) error {
	if receipt.GetSeal() == nil {
		return unproved("the receipt is not sealed")
	}
	entry, statement, err := client.trust.entry(receipt)
	if err != nil {
		return err
	}
	if err := client.checkStatement(statement, act); err != nil {
		return err
	}
	if err := client.checkSignature(entry, statement); err != nil {
		return err
	}
	head, err := client.trust.checkpoint(receipt.Seal.Checkpoint)
	if err != nil {
		return err
	}
	return include(receipt, head)
}

// The chain, every entry proved. An entry of another agency would need that agency's key from the registry chain, as
// `mediation verify` reads it; this example knows its own key only, and refuses what it cannot prove.
func (client *client) read(ctx context.Context, chain, official string) (*ledger.GetChainResponse, error) {
	answer, err := call(ctx, client.chains.GetChain, &ledger.GetChainRequest{ChainId: &chain, Reading: &ledger.Reading{
		Reader: &official, Role: types.Role_ROLE_REG.Enum(), Purpose: types.AccessPurpose_ACCESS_PURPOSE_HANDLING.Enum()}})
	if err != nil {
		return nil, err
	}
	client.tamperChain(answer)
	checkpoint, err := client.trust.checkpoint(answer.Checkpoint)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 32)
	for revision, shown := range answer.Entries {
		if err := include(shown.Receipt, checkpoint); err != nil {
			return nil, err
		}
		if shown.Fault != "" {
			return nil, unproved(fmt.Sprintf("entry %d does not count: %s", revision, shown.Fault))
		}
		if len(shown.Receipt.Entry) > 0 { // without it a placeholder: we may not know more than its hash
			if err := client.checkEntry(shown, chain, uint64(revision), head); err != nil {
				return nil, err
			}
		}
		head = shown.Receipt.LeafHash
	}
	return answer, nil
}

func (client *client) checkEntry(shown *ledger.ChainEntry, chain string, revision uint64, head []byte) error {
	entry, statement, err := client.trust.entry(shown.Receipt)
	if err != nil {
		return err
	}
	linked := hex.EncodeToString(statement.Chain) == plain(chain) && statement.Revision == revision &&
		same(statement.Previous, head)
	if !linked {
		return unproved(fmt.Sprintf("entry %d is linked wrongly", revision))
	}
	if statement.Agency != client.agency {
		return unproved(fmt.Sprintf("entry %d is one of another agency", revision))
	}
	if err := client.checkSignature(entry, statement); err != nil {
		return err
	}
	return client.trust.checkParts(statement, shown.Parts)
}

// Changes one byte of an answer on demand, so that everybody can see that it is refused.

func flip(data []byte) { data[len(data)-1] ^= 1 }

func (client *client) tamperReceipt(receipt *ledger.Receipt) {
	switch client.tamper {
	case "entry":
		flip(receipt.Entry)
	case "path":
		flip(receipt.Seal.Inclusion[0])
	case "checkpoint":
		receipt.Seal.Checkpoint = strings.Replace(receipt.Seal.Checkpoint, "\n\n", "1\n\n", 1)
	}
}

func (client *client) tamperPrepared(prepared *ledger.Prepared) {
	switch client.tamper {
	case "statement":
		flip(prepared.Statement)
	case "part":
		flip(prepared.Parts[1].Part.Plaintext)
	case "salt":
		flip(prepared.Parts[0].Part.Salt)
	}
}

func (client *client) tamperChain(answer *ledger.GetChainResponse) {
	if client.tamper == "chain" {
		flip(answer.Entries[1].Parts[0].Plaintext)
	}
}
