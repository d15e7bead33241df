package example;

import static example.Proof.bytes;
import static example.Proof.sha256;
import static example.Proof.utf8;
import static example.Unproved.require;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import mediation.ledger.v1.ReceiptOuterClass.Receipt;
import mediation.ledger.v1.ReceiptOuterClass.Seal;
import mediation.ledger.v1.StatementOuterClass.Commitment;
import mediation.ledger.v1.StatementOuterClass.DisclosedPart;
import mediation.ledger.v1.StatementOuterClass.Entry;
import mediation.ledger.v1.StatementOuterClass.Statement;

/** Origin and keys of the log, from the policy file, which an agency gets from the founders and not from the server. */
final class Trust {
    private static final int LOG_KEY_TYPE = 1; // Ed25519 in C2SP signed-note

    final String origin;
    private final Map<String, PublicKey> keys = new HashMap<>();

    /** Size and root of a tree. */
    record Head(long size, byte[] root) {}

    /** Entry and statement of a receipt. */
    record Signed(Entry entry, Statement statement) {}

    Trust(String policy) throws GeneralSecurityException {
        String named = null;
        for (String line : policy.split("\n")) {
            String[] words = line.replaceFirst("^# retired-", "").split(" +");
            if (words.length < 2 || !words[0].equals("log")) {
                continue;
            }
            // A vkey: name, key id in hex, base64 of type and key; base64 may hold a + itself.
            String[] vkey = words[1].split("\\+", 3);
            require(vkey.length == 3, "the policy names a bad log key");
            byte[] typed = Base64.getDecoder().decode(vkey[2]);
            byte[] computed = Arrays.copyOf(sha256(utf8(vkey[0] + "\n"), typed), 4);
            String keyId = HexFormat.of().formatHex(computed);
            require(typed.length == 33 && typed[0] == LOG_KEY_TYPE && keyId.equals(vkey[1]), "the policy names a bad log key");
            named = vkey[0];
            keys.put(keyId, Proof.publicKey(Arrays.copyOfRange(typed, 1, 33)));
        }
        require(named != null, "the policy names no log");
        origin = named;
    }

    /** Size and root of a checkpoint that the log has signed. */
    Head checkpoint(String note) {
        int end = note.indexOf("\n\n") + 1;
        require(end > 0, "the checkpoint is no signed note");
        String text = note.substring(0, end);
        for (String line : note.substring(end + 1).split("\n")) {
            String[] words = line.split(" ");
            if (words.length != 3 || !words[0].equals("—") || !words[1].equals(origin)) {
                continue;
            }
            byte[] value = Base64.getDecoder().decode(words[2]);
            PublicKey key = value.length < 4 ? null : keys.get(HexFormat.of().formatHex(value, 0, 4));
            if (key != null && Proof.isSigned(key, Arrays.copyOfRange(value, 4, value.length), utf8(text))) {
                String[] lines = text.split("\n");
                require(lines.length >= 3 && lines[0].equals(origin), "the checkpoint is one of another log");
                return new Head(Long.parseUnsignedLong(lines[1]), Base64.getDecoder().decode(lines[2]));
            }
        }
        throw new Unproved("the log has not signed the checkpoint");
    }

    void include(Receipt receipt, Head head) {
        Seal seal = receipt.getSeal();
        require(receipt.hasSeal() && Proof.isIncluded(receipt.getLeafHash().toByteArray(), seal.getLeafIndex(), head.size(),
                seal.getInclusionList(), head.root()), "the entry is not under the checkpoint");
    }

    /** Entry and statement of a receipt that stand where it says. */
    Signed entry(Receipt receipt) {
        byte[] leaf = sha256(bytes(0), receipt.getEntry().toByteArray());
        require(MessageDigest.isEqual(receipt.getLeafHash().toByteArray(), leaf), "the leaf hash is not that of the entry");
        Entry entry = Proof.canonical(Entry.parser(), receipt.getEntry());
        Statement statement = Proof.canonical(Statement.parser(), entry.getStatement());
        require(statement.getOrigin().equals(origin) && statement.getChain().equals(Proof.uuid(receipt.getChainId()))
                && statement.getEventId().equals(Proof.uuid(receipt.getEventId()))
                && statement.getRevision() == receipt.getRevision(),
                "the statement is about another ledger, chain, act or place");
        return new Signed(entry, statement);
    }

    void checkParts(Statement statement, Iterable<DisclosedPart> parts) {
        for (DisclosedPart part : parts) {
            boolean holds = false;
            for (Commitment commitment : statement.getCommitmentsList()) {
                if (commitment.getKindValue() == part.getKindValue() && commitment.getNumber() == part.getNumber()) {
                    byte[] digest = Proof.partDigest(origin, statement.getEventId(), part);
                    holds = commitment.getAlgorithm() == 1 && part.getSalt().size() == 32
                            && MessageDigest.isEqual(commitment.getDigest().toByteArray(), digest);
                }
            }
            require(holds, "a commitment is to something else than the part that is shown");
        }
    }
}
