package example;

import com.google.protobuf.ByteString;
import mediation.ledger.v1.Chain.GetChainResponse;
import mediation.ledger.v1.ReceiptOuterClass.Receipt;
import mediation.ledger.v1.Signing.Prepared;
import mediation.ledger.v1.StatementOuterClass.DisclosedPart;

/** Changes one byte of an answer on demand, so that everybody can see that it is refused. */
record Tampering(String step) {
    Receipt of(Receipt receipt) {
        Receipt.Builder changed = receipt.toBuilder();
        switch (step) {
            case "entry" -> changed.setEntry(flipped(receipt.getEntry()));
            case "path" -> changed.getSealBuilder().setInclusion(0, flipped(receipt.getSeal().getInclusion(0)));
            case "checkpoint" -> changed.getSealBuilder().setCheckpoint(
                    receipt.getSeal().getCheckpoint().replaceFirst("\n\n", "1\n\n"));
            default -> { }
        }
        return changed.build();
    }

    Prepared of(Prepared prepared) {
        Prepared.Builder changed = prepared.toBuilder();
        switch (step) {
            case "statement" -> changed.setStatement(flipped(prepared.getStatement()));
            case "part" -> {
                DisclosedPart.Builder part = changed.getPartsBuilder(1).getPartBuilder();
                part.setPlaintext(flipped(part.getPlaintext()));
            }
            case "salt" -> {
                DisclosedPart.Builder part = changed.getPartsBuilder(0).getPartBuilder();
                part.setSalt(flipped(part.getSalt()));
            }
            default -> { }
        }
        return changed.build();
    }

    GetChainResponse of(GetChainResponse answer) {
        if (!step.equals("chain")) {
            return answer;
        }
        GetChainResponse.Builder changed = answer.toBuilder();
        DisclosedPart.Builder part = changed.getEntriesBuilder(1).getPartsBuilder(0);
        part.setPlaintext(flipped(part.getPlaintext()));
        return changed.build();
    }

    private static ByteString flipped(ByteString data) {
        byte[] changed = data.toByteArray();
        changed[changed.length - 1] ^= 1;
        return ByteString.copyFrom(changed);
    }
}
