// Records two acts at the desk of a petition bureau, proves their receipts, and reads the dispute back.
//
// usage: client --ledger 127.0.0.1:7443 --dir LEDGER --agency XF-FL --journal FILE [--tamper STEP]
//
// Exit code: 0 all is proved, 1 the ledger refused or an answer proves nothing.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	core "mediation.example/client/gen/mediation/core/v1"
	types "mediation.example/client/gen/mediation/types/v1"
)

// The ids of what is sent.
type ids struct {
	Chain      string `json:"chain"`
	Register   string `json:"register"`
	Add        string `json:"add"`
	OccurredAt int64  `json:"occurred_at"`
}

func formatted(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// A random UUID; from version 7 on, 48 bits of milliseconds and then chance (RFC 9562).
func uuid(version byte) (string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	if version == 7 {
		for at, now := 5, time.Now().UnixMilli(); at >= 0; at, now = at-1, now>>8 {
			id[at] = byte(now)
		}
	}
	id[6] = id[6]&0x0f | version<<4
	id[8] = id[8]&0x3f | 0x80
	return formatted(id), nil
}

// Chain and event ids, on disk before anything is sent: who crashes sends the same again, and records nothing twice.
func idsOf(journal string) (ids, error) {
	var kept ids
	data, err := os.ReadFile(journal)
	if err == nil {
		return kept, json.Unmarshal(data, &kept)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return kept, err
	}
	kept.OccurredAt = time.Now().Unix()
	for _, id := range []struct {
		version byte
		into    *string
	}{{4, &kept.Chain}, {7, &kept.Register}, {7, &kept.Add}} {
		if *id.into, err = uuid(id.version); err != nil {
			return kept, err
		}
	}
	if data, err = json.Marshal(kept); err != nil {
		return kept, err
	}
	file, err := os.Create(journal + ".new")
	if err != nil {
		return kept, err
	}
	defer file.Close()
	if _, err = file.Write(data); err != nil {
		return kept, err
	}
	if err = file.Sync(); err != nil {
		return kept, err
	}
	return kept, os.Rename(journal+".new", journal)
}

func party(subject string, side types.PartySide) *types.Party {
	return &types.Party{Subject: &subject, Side: &side, Minor: proto.Bool(false),
		Capacity: types.PartyCapacity_PARTY_CAPACITY_NATURAL_PERSON.Enum()}
}

func identity(subject, name string) *types.Identity {
	return &types.Identity{Subject: &subject, Name: &name}
}

// The acts that this example records, each with the parts that the ledger must make of it. Which field stands in which part the
// proto files say of each field; every other field stands in the act part. Each subject has an identities part of its own;
// the acts here name one subject each.
func acts(ids ids, official string) (registered, added act) {
	header := &types.ActHeader{Signer: &official, SignerRole: types.Role_ROLE_REG.Enum()}
	event := &core.DisputeRegistered{
		Channel: types.Channel_CHANNEL_WALK_IN.Enum(), Division: proto.String("360222"),
		DisputeType: types.DisputeType_DISPUTE_TYPE_LEASE.Enum(), Emergency: proto.Bool(false),
		Parties:    []*types.Party{party("psn_1", types.PartySide_PARTY_SIDE_APPLICANT)},
		Identities: []*types.Identity{identity("psn_1", "霍砚秋")}, Summary: proto.String("拖欠租金"),
	}
	facts := proto.Clone(event).(*core.DisputeRegistered)
	facts.Identities, facts.Summary = nil, nil
	register := func(event *core.DisputeRegistered) *core.CoreAct {
		return &core.CoreAct{Act: &core.CoreAct_DisputeRegistered{DisputeRegistered: event}}
	}
	registered = act{chain: ids.Chain, eventID: ids.Register, occurredAt: ids.OccurredAt, header: header,
		asked: register(event), parts: []asked{
			{partAct, register(facts)},
			{partIdentities, register(&core.DisputeRegistered{Identities: event.Identities})},
			{partNarrative, register(&core.DisputeRegistered{Summary: event.Summary})},
		}}

	other, its := party("psn_2", types.PartySide_PARTY_SIDE_RESPONDENT), identity("psn_2", "闻人岫")
	add := func(event *core.PartyAdded) *core.CoreAct {
		return &core.CoreAct{Act: &core.CoreAct_PartyAdded{PartyAdded: event}}
	}
	added = act{chain: ids.Chain, eventID: ids.Add, occurredAt: ids.OccurredAt, header: header,
		asked: add(&core.PartyAdded{Party: other, Identity: its}), parts: []asked{
			{partAct, add(&core.PartyAdded{Party: other})},
			{partIdentities, add(&core.PartyAdded{Identity: its})},
		}}
	return registered, added
}

func run(ctx context.Context, address, directory, agency, journal, tamper string) error {
	client, err := connect(address, directory, agency, tamper)
	if err != nil {
		return err
	}
	defer client.connection.Close()
	ids, err := idsOf(journal)
	if err != nil {
		return err
	}
	official := agency + "/REG-1"
	registered, added := acts(ids, official)
	receipt, err := client.record(ctx, registered)
	if err != nil {
		return err
	}
	fmt.Printf("recorded, signed by the desk: revision %d, leaf %d\n", receipt.Revision, receipt.Seal.LeafIndex)
	if receipt, err = client.recordSigned(ctx, added); err != nil {
		return err
	}
	fmt.Printf("recorded, signed by the caller: revision %d, leaf %d\n", receipt.Revision, receipt.Seal.LeafIndex)
	answer, err := client.read(ctx, ids.Chain, official)
	if err != nil {
		return err
	}
	// The desk chose the salts of what it signed, so this is where we see that it recorded what we asked for.
	for _, act := range []act{registered, added} {
		said := false
		for _, entry := range answer.Entries {
			said = said || entry.Receipt.EventId == act.eventID && act.says(entry.Parts)
		}
		if !said {
			return unproved("the chain does not say what was asked for")
		}
	}
	fmt.Printf("verified: chain %s, %d entries\n", ids.Chain, len(answer.Entries))
	return nil
}

func told(err error) string {
	said, ok := status.FromError(err)
	if !ok {
		// What cannot be read is no proof either.
		return fmt.Sprintf("refused: %v", err)
	}
	reason, chinese := reasonOf(err), "—"
	if reason == "" {
		reason = codeName(said.Code())
	}
	for _, detail := range said.Details() {
		if localized, ok := detail.(*errdetails.LocalizedMessage); ok {
			chinese = localized.Message
		}
	}
	return fmt.Sprintf("%s\n  en: %s\n  zh: %s", reason, said.Message(), chinese)
}

func main() {
	address := flag.String("ledger", "", "address, HOST:PORT")
	directory := flag.String("dir", "", "directory with pki/, keys/ and policy")
	agency := flag.String("agency", "", "a petition bureau, such as XF-FL")
	journal := flag.String("journal", "", "where the ids of what is sent are kept")
	tamper := flag.String("tamper", "", "change a byte of that answer: it must be refused")
	flag.Parse()
	for _, needed := range []string{*address, *directory, *agency, *journal} {
		if needed == "" {
			flag.Usage()
			os.Exit(2)
		}
	}
	if err := run(context.Background(), *address, filepath.Clean(*directory), *agency, *journal, *tamper); err != nil {
		fmt.Fprintln(os.Stderr, told(err))
		os.Exit(1)
	}
}
