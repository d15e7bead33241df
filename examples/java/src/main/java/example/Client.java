package example;

import static example.Unproved.require;

import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.handler.ssl.SslContext;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import mediation.desk.v1.Desks.PetitionPrepareRequest;
import mediation.desk.v1.PetitionDeskGrpc;
import mediation.ledger.v1.Chain.ChainEntry;
import mediation.ledger.v1.Chain.GetChainRequest;
import mediation.ledger.v1.Chain.GetChainResponse;
import mediation.ledger.v1.ChainServiceGrpc;
import mediation.ledger.v1.ReadingOuterClass.Reading;
import mediation.ledger.v1.ReceiptOuterClass.Receipt;
import mediation.ledger.v1.Signing.PrepareResponse;
import mediation.ledger.v1.Signing.Prepared;
import mediation.ledger.v1.Signing.PreparedPart;
import mediation.ledger.v1.Signing.SubmitRequest;
import mediation.ledger.v1.StatementOuterClass.Commitment;
import mediation.ledger.v1.StatementOuterClass.DisclosedPart;
import mediation.ledger.v1.StatementOuterClass.Entry;
import mediation.ledger.v1.StatementOuterClass.Statement;
import mediation.types.v1.Codes.AccessPurpose;
import mediation.types.v1.Codes.Role;

/** An agency's system: it records, signs and reads, and believes nothing that is not proved. */
final class Client implements AutoCloseable {
    private static final int SIGNINGS_MAX = 8; // times an act is prepared anew while others move its chain

    private final ManagedChannel channel;
    private final Trust trust;
    private final String agency;
    private final Tampering tampering;
    private final PrivateKey key;
    private final PublicKey publicKey;
    private final ByteString keyId;

    Client(String address, Path directory, String agency, String tamper) throws IOException, GeneralSecurityException {
        this.agency = agency;
        this.tampering = new Tampering(tamper);
        trust = new Trust(Files.readString(directory.resolve("policy")));
        // An Ed25519 key in PKCS #8 version 2: the seed in bytes 16 to 47, the public key at the end. Java reads version 1.
        List<String> lines = new ArrayList<>(Files.readAllLines(directory.resolve("keys/" + agency + "/signing.key")));
        lines.removeIf(line -> line.startsWith("-"));
        byte[] pkcs8 = Base64.getDecoder().decode(String.join("", lines));
        byte[] head = HexFormat.of().parseHex("302e020100300506032b657004220420");
        key = KeyFactory.getInstance("Ed25519").generatePrivate(
                new PKCS8EncodedKeySpec(Proof.joined(head, Arrays.copyOfRange(pkcs8, 16, 48))));
        byte[] raw = Arrays.copyOfRange(pkcs8, pkcs8.length - 32, pkcs8.length);
        publicKey = Proof.publicKey(raw);
        require(Proof.isSigned(publicKey, sign(raw), raw), "the signing key is not one pair");
        keyId = ByteString.copyFrom(Proof.sha256(Proof.bytes(1), raw));
        Path own = directory.resolve("pki/agencies/" + agency);
        // The server must show a certificate of this authority for the name it is called by; we show our agency's.
        SslContext secured = GrpcSslContexts.forClient().protocols("TLSv1.3")
                .trustManager(directory.resolve("pki/authority.pem").toFile())
                .keyManager(own.resolve("certificate.pem").toFile(), own.resolve("certificate.key").toFile()).build();
        channel = NettyChannelBuilder.forTarget(address).sslContext(secured).build();
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    private PetitionDeskGrpc.PetitionDeskBlockingStub desk() {
        return PetitionDeskGrpc.newBlockingStub(channel).withDeadlineAfter(Calls.DEADLINE_S, TimeUnit.SECONDS);
    }

    private byte[] sign(byte[] data) throws GeneralSecurityException {
        Signature signer = Signature.getInstance("Ed25519");
        signer.initSign(key);
        signer.update(data);
        return signer.sign();
    }

    /** Signed by the desk, which holds the agency's key. */
    Receipt record(Asked asked) throws InterruptedException {
        Receipt receipt = Calls.call(() -> desk().record(asked.request()));
        return checkReceipt(tampering.of(receipt), asked);
    }

    /** Signed here: the key never comes near the server, and signs nothing but what was asked for. */
    Receipt recordSigned(Asked asked) throws InterruptedException, GeneralSecurityException {
        for (int signing = 1; ; signing++) {
            PrepareResponse answer = Calls.call(() -> desk().prepare(
                    PetitionPrepareRequest.newBuilder().setRequest(asked.request()).setKeyId(keyId).build()));
            if (answer.hasRecorded()) { // an earlier run has recorded it and did not hear the answer
                return checkReceipt(answer.getRecorded(), asked);
            }
            Prepared prepared = tampering.of(answer.getPrepared());
            SubmitRequest.Builder request = SubmitRequest.newBuilder().setStatement(prepared.getStatement())
                    .addAllParts(checkPrepared(prepared, asked));
            byte[] value = sign(Proof.preAuthentication(prepared.getStatement()));
            request.addSignaturesBuilder().setKeyId(keyId).setValue(ByteString.copyFrom(value));
            try {
                return checkReceipt(Calls.call(() -> desk().submit(request.build())), asked);
            } catch (StatusRuntimeException error) {
                if (!Calls.reason(error).equals("PREPARED_STALE") || signing == SIGNINGS_MAX) {
                    throw error;
                }
            }
        }
    }

    /** Every field is as it was asked for. Revision, predecessor and rule set are the chain's. */
    private void checkStatement(Statement statement, Asked asked) {
        require(statement.getOrigin().equals(trust.origin), "the statement has another origin");
        require(statement.getChain().equals(Proof.uuid(asked.chain())), "the statement has another chain");
        require(statement.getEventId().equals(Proof.uuid(asked.eventId())), "the statement has another event_id");
        require(statement.getAgency().equals(agency), "the statement has another agency");
        require(statement.getKeyId().equals(keyId), "the statement has another key_id");
        require(statement.getOccurredAt() == asked.occurredAt(), "the statement has another occurred_at");
        boolean isUnlinked = statement.getPrevious().equals(ByteString.copyFrom(new byte[32]));
        require((statement.getRevision() == 0) == isUnlinked, "the statement is linked wrongly");
        List<Asked.Part> parts = asked.parts();
        require(statement.getCommitmentsCount() == parts.size(), "the statement commits to other parts");
        for (int at = 0; at < parts.size(); at++) {
            Commitment commitment = statement.getCommitments(at);
            require(commitment.getKind() == parts.get(at).kind() && commitment.getNumber() == 0,
                    "the statement commits to other parts");
        }
    }

    private List<DisclosedPart> checkPrepared(Prepared prepared, Asked asked) {
        Statement statement = Proof.canonical(Statement.parser(), prepared.getStatement());
        checkStatement(statement, asked);
        List<DisclosedPart> parts = prepared.getPartsList().stream().map(PreparedPart::getPart).toList();
        require(asked.isSaidBy(parts), "a part says something else than was asked for");
        trust.checkParts(statement, parts);
        return parts;
    }

    private void checkSignature(Entry entry, Statement statement) {
        byte[] signed = Proof.preAuthentication(entry.getStatement());
        List<mediation.ledger.v1.StatementOuterClass.Signature> own = entry.getSignaturesList().stream()
                .filter(signature -> signature.getKeyId().equals(keyId)).toList();
        require(statement.getKeyId().equals(keyId) && own.size() == 1
                && Proof.isSigned(publicKey, own.get(0).getValue().toByteArray(), signed),
                "the agency's key has not signed the entry");
    }

    private Receipt checkReceipt(Receipt receipt, Asked asked) {
        require(receipt.hasSeal(), "the receipt is not sealed");
        Trust.Signed signed = trust.entry(receipt);
        checkStatement(signed.statement(), asked);
        checkSignature(signed.entry(), signed.statement());
        trust.include(receipt, trust.checkpoint(receipt.getSeal().getCheckpoint()));
        return receipt;
    }

    /**
     * The chain, every entry proved. An entry of another agency would need that agency's key from the registry chain, as
     * `mediation verify` reads it; this example knows its own key only, and refuses what it cannot prove.
     */
    GetChainResponse read(String chain, String official) throws InterruptedException {
        GetChainRequest request = GetChainRequest.newBuilder().setChainId(chain).setReading(Reading.newBuilder()
                .setReader(official).setRole(Role.ROLE_REG).setPurpose(AccessPurpose.ACCESS_PURPOSE_HANDLING)).build();
        GetChainResponse answer = tampering.of(Calls.call(() -> ChainServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(Calls.DEADLINE_S, TimeUnit.SECONDS).getChain(request)));
        Trust.Head checkpoint = trust.checkpoint(answer.getCheckpoint());
        ByteString head = ByteString.copyFrom(new byte[32]);
        for (int revision = 0; revision < answer.getEntriesCount(); revision++) {
            ChainEntry shown = answer.getEntries(revision);
            trust.include(shown.getReceipt(), checkpoint);
            require(shown.getFault().isEmpty(), "entry " + revision + " does not count: " + shown.getFault());
            if (!shown.getReceipt().getEntry().isEmpty()) { // else a placeholder: we may not know more than its hash
                Trust.Signed signed = trust.entry(shown.getReceipt());
                Statement statement = signed.statement();
                require(statement.getChain().equals(Proof.uuid(chain)) && statement.getRevision() == revision
                        && statement.getPrevious().equals(head), "entry " + revision + " is linked wrongly");
                require(statement.getAgency().equals(agency), "entry " + revision + " is one of another agency");
                checkSignature(signed.entry(), statement);
                trust.checkParts(statement, shown.getPartsList());
            }
            head = shown.getReceipt().getLeafHash();
        }
        return answer;
    }
}
