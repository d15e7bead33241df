package example;

import static example.Unproved.require;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import mediation.ledger.v1.StatementOuterClass.DisclosedPart;

/** What is hashed and signed, byte for byte. */
final class Proof {
    private static final String PAYLOAD_TYPE = "application/vnd.mediation-ledger.statement.v1+protobuf";

    private Proof() {}

    static byte[] joined(byte[]... pieces) {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        for (byte[] piece : pieces) {
            whole.writeBytes(piece);
        }
        return whole.toByteArray();
    }

    static byte[] bytes(int... numbers) {
        byte[] data = new byte[numbers.length];
        for (int at = 0; at < numbers.length; at++) {
            data[at] = (byte) numbers[at];
        }
        return data;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] sha256(byte[]... pieces) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(joined(pieces));
        } catch (NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
    }

    static ByteString uuid(String id) {
        UUID parsed = UUID.fromString(id);
        return ByteString.copyFrom(ByteBuffer.allocate(16)
                .putLong(parsed.getMostSignificantBits()).putLong(parsed.getLeastSignificantBits()).flip());
    }

    static PublicKey publicKey(byte[] raw) throws GeneralSecurityException {
        byte[] head = HexFormat.of().parseHex("302a300506032b6570032100");
        return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(joined(head, raw)));
    }

    static boolean isSigned(PublicKey key, byte[] signature, byte[] signed) {
        try {
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(signed);
            return verifier.verify(signature);
        } catch (GeneralSecurityException malformed) {
            return false;
        }
    }

    /** RFC 6962 section 2.1.1. */
    static boolean isIncluded(byte[] leaf, long index, long size, List<ByteString> path, byte[] root) {
        boolean sized = leaf.length == 32 && path.stream().allMatch(sibling -> sibling.size() == 32);
        if (!sized || Long.compareUnsigned(index, size) >= 0) {
            return false;
        }
        int inner = Long.SIZE - Long.numberOfLeadingZeros(index ^ (size - 1));
        // A shift by 64 would be none in Java.
        int border = inner == Long.SIZE ? 0 : Long.bitCount(index >>> inner);
        if (path.size() != inner + border) {
            return false;
        }
        byte[] node = leaf;
        for (int level = 0; level < path.size(); level++) {
            byte[] sibling = path.get(level).toByteArray();
            boolean isRight = level >= inner || (index >>> level & 1) == 1;
            node = isRight ? sha256(bytes(1), sibling, node) : sha256(bytes(1), node, sibling);
        }
        return MessageDigest.isEqual(node, root);
    }

    static byte[] preAuthentication(ByteString statement) {
        String head = "DSSEv1 %d %s %d ".formatted(PAYLOAD_TYPE.length(), PAYLOAD_TYPE, statement.size());
        return joined(utf8(head), statement.toByteArray());
    }

    static byte[] partDigest(String origin, ByteString eventId, DisclosedPart part) {
        byte[] length = ByteBuffer.allocate(8).putLong(part.getPlaintext().size()).array();
        return sha256(utf8("mediation-ledger/part/v1\0"), bytes(1, utf8(origin).length), utf8(origin), eventId.toByteArray(),
                bytes(part.getKindValue(), part.getNumber()), part.getSalt().toByteArray(), length,
                part.getPlaintext().toByteArray());
    }

    /** Parses what was signed or hashed. It has one encoding; two parsers must not read two things in it. */
    static <M extends Message> M canonical(Parser<M> parser, ByteString data) {
        try {
            M message = parser.parseFrom(data);
            String name = message.getDescriptorForType().getName();
            require(isKnown(message) && message.toByteString().equals(data), "the " + name + " is not canonical");
            return message;
        } catch (InvalidProtocolBufferException malformed) {
            throw new Unproved(malformed.getMessage());
        }
    }

    /** Whether a message holds no field that its proto file does not name: those would be written again as they came. */
    private static boolean isKnown(Message message) {
        return message.getUnknownFields().asMap().isEmpty() && message.getAllFields().values().stream()
                .flatMap(value -> value instanceof Collection<?> many ? many.stream() : java.util.stream.Stream.of(value))
                .allMatch(value -> !(value instanceof Message inner) || isKnown(inner));
    }
}
