package example;

import static example.Unproved.require;

import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.function.Function;
import mediation.core.v1.Core.CoreAct;
import mediation.core.v1.Core.DisputeRegistered;
import mediation.core.v1.Core.PartyAdded;
import mediation.ledger.v1.Chain.GetChainResponse;
import mediation.ledger.v1.ReceiptOuterClass.Receipt;
import mediation.ledger.v1.StatementOuterClass.PartKind;
import mediation.types.v1.Codes.Channel;
import mediation.types.v1.Codes.DisputeType;
import mediation.types.v1.Codes.PartyCapacity;
import mediation.types.v1.Codes.PartySide;
import mediation.types.v1.Codes.Role;
import mediation.types.v1.Records.ActHeader;
import mediation.types.v1.Records.Identity;
import mediation.types.v1.Records.Party;

/**
 * Records two acts at the desk of a petition bureau, proves their receipts, and reads the dispute back.
 *
 * <p>usage: Main --ledger 127.0.0.1:7443 --dir LEDGER --agency XF-FL --journal FILE [--tamper STEP]
 *
 * <p>Exit code: 0 all is proved, 1 the ledger refused or an answer proves nothing.
 */
public final class Main {
    private Main() {}

    /** 48 bits of milliseconds, then chance (RFC 9562). */
    private static String uuid7() {
        SecureRandom chance = new SecureRandom();
        long high = System.currentTimeMillis() << 16 | 0x7000 | chance.nextInt(0x1000);
        long low = chance.nextLong() >>> 2 | 1L << 63;
        return new UUID(high, low).toString();
    }

    /** Chain and event ids, on disk before anything is sent: who crashes sends the same again, and records nothing twice. */
    private static Properties idsOf(Path journal) throws IOException {
        Properties ids = new Properties();
        if (!Files.exists(journal)) {
            ids.setProperty("chain", UUID.randomUUID().toString());
            ids.setProperty("register", uuid7());
            ids.setProperty("add", uuid7());
            ids.setProperty("occurred_at", Long.toString(Instant.now().getEpochSecond()));
            Path fresh = journal.resolveSibling(journal.getFileName() + ".new");
            try (var writer = Files.newBufferedWriter(fresh)) {
                ids.store(writer, null);
            }
            try (var file = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
                file.force(true);
            }
            Files.move(fresh, journal, StandardCopyOption.ATOMIC_MOVE);
        }
        try (var reader = Files.newBufferedReader(journal)) {
            ids.load(reader);
        }
        return ids;
    }

    private static Party party(String subject, PartySide side) {
        return Party.newBuilder().setSubject(subject).setSide(side)
                .setCapacity(PartyCapacity.PARTY_CAPACITY_NATURAL_PERSON).setMinor(false).build();
    }

    private static Identity identity(String subject, String name) {
        return Identity.newBuilder().setSubject(subject).setName(name).build();
    }

    // Which field stands in which part: the proto files say it of each field. Every other field stands in the act part. Each
    // subject has an identities part of its own; the acts here name one subject each.

    private static Asked registered(Properties ids, ActHeader header) {
        Function<DisputeRegistered.Builder, CoreAct> act = event -> CoreAct.newBuilder().setDisputeRegistered(event).build();
        DisputeRegistered.Builder whole = DisputeRegistered.newBuilder().setChannel(Channel.CHANNEL_WALK_IN)
                .setDivision("360222").setDisputeType(DisputeType.DISPUTE_TYPE_LEASE).setEmergency(false)
                .addParties(party("psn_1", PartySide.PARTY_SIDE_APPLICANT))
                .addIdentities(identity("psn_1", "霍砚秋")).setSummary("拖欠租金");
        return new Asked(ids.getProperty("chain"), ids.getProperty("register"),
                Long.parseLong(ids.getProperty("occurred_at")), header, act.apply(whole), List.of(
                        new Asked.Part(PartKind.PART_KIND_ACT, act.apply(whole.clone().clearIdentities().clearSummary())),
                        new Asked.Part(PartKind.PART_KIND_IDENTITIES, act.apply(
                                DisputeRegistered.newBuilder().addAllIdentities(whole.getIdentitiesList()))),
                        new Asked.Part(PartKind.PART_KIND_NARRATIVE, act.apply(
                                DisputeRegistered.newBuilder().setSummary(whole.getSummary())))));
    }

    private static Asked added(Properties ids, ActHeader header) {
        Function<PartyAdded.Builder, CoreAct> act = event -> CoreAct.newBuilder().setPartyAdded(event).build();
        Party party = party("psn_2", PartySide.PARTY_SIDE_RESPONDENT);
        Identity identity = identity("psn_2", "闻人岫");
        return new Asked(ids.getProperty("chain"), ids.getProperty("add"),
                Long.parseLong(ids.getProperty("occurred_at")), header,
                act.apply(PartyAdded.newBuilder().setParty(party).setIdentity(identity)), List.of(
                        new Asked.Part(PartKind.PART_KIND_ACT, act.apply(PartyAdded.newBuilder().setParty(party))),
                        new Asked.Part(PartKind.PART_KIND_IDENTITIES, act.apply(PartyAdded.newBuilder().setIdentity(identity)))));
    }

    private static void say(String how, Receipt receipt) {
        System.out.printf("recorded, signed by the %s: revision %d, leaf %d%n",
                how, receipt.getRevision(), receipt.getSeal().getLeafIndex());
    }

    private static void run(Map<String, String> options) throws IOException, GeneralSecurityException, InterruptedException {
        String agency = options.get("agency");
        String official = agency + "/REG-1";
        Properties ids = idsOf(Path.of(options.get("journal")));
        ActHeader header = ActHeader.newBuilder().setSigner(official).setSignerRole(Role.ROLE_REG).build();
        try (Client client = new Client(options.get("ledger"), Path.of(options.get("dir")), agency,
                options.getOrDefault("tamper", ""))) {
            List<Asked> acts = List.of(registered(ids, header), added(ids, header));
            say("desk", client.record(acts.get(0)));
            say("caller", client.recordSigned(acts.get(1)));
            String chain = ids.getProperty("chain");
            GetChainResponse answer = client.read(chain, official);
            // The desk chose the salts of what it signed, so this is where we see that it recorded what we asked for.
            for (Asked act : acts) {
                require(answer.getEntriesList().stream().anyMatch(entry ->
                        entry.getReceipt().getEventId().equals(act.eventId()) && act.isSaidBy(entry.getPartsList())),
                        "the chain does not say what was asked for");
            }
            System.out.printf("verified: chain %s, %d entries%n", chain, answer.getEntriesCount());
        }
    }

    /** Runs the client. */
    public static void main(String[] arguments) {
        Map<String, String> options = new HashMap<>();
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            options.put(arguments[at].replaceFirst("^--", ""), arguments[at + 1]);
        }
        if (!options.keySet().containsAll(List.of("ledger", "dir", "agency", "journal"))) {
            System.err.println("needed: --ledger, --dir, --agency, --journal");
            System.exit(2);
        }
        try {
            run(options);
        } catch (StatusRuntimeException error) {
            System.err.println(Calls.told(error));
            System.exit(1);
        } catch (Unproved | IllegalArgumentException | IndexOutOfBoundsException | IOException | GeneralSecurityException error) {
            // What cannot be read is no proof either.
            System.err.println("refused: " + error.getMessage());
            System.exit(1);
        } catch (InterruptedException stopped) {
            System.exit(1);
        }
    }
}
