package example;

import com.google.protobuf.Timestamp;
import java.util.ArrayList;
import java.util.List;
import mediation.core.v1.Core.CoreAct;
import mediation.desk.v1.Desks.PetitionRecordRequest;
import mediation.ledger.v1.ActOuterClass.Act;
import mediation.ledger.v1.StatementOuterClass.DisclosedPart;
import mediation.ledger.v1.StatementOuterClass.PartKind;
import mediation.types.v1.Records.ActHeader;

/** An act that is asked for, with the parts that the ledger must make of it, in the order of the commitments. */
record Asked(String chain, String eventId, long occurredAt, ActHeader header, CoreAct act, List<Part> parts) {

    /** One part: its kind, and the fields that stand in it. */
    record Part(PartKind kind, CoreAct act) {}

    // Another kind of agency has another desk and request type; the rest is the same.
    PetitionRecordRequest request() {
        return PetitionRecordRequest.newBuilder().setChainId(chain).setEventId(eventId).setHeader(header).setCore(act)
                .setOccurredAt(Timestamp.newBuilder().setSeconds(occurredAt)).build();
    }

    /** Kind, number and plaintext of each part, by our own encoding. */
    List<DisclosedPart> encoded() {
        List<DisclosedPart> encoded = new ArrayList<>();
        for (Part part : parts) {
            Act.Builder whole = Act.newBuilder().setCore(part.act());
            if (part.kind() == PartKind.PART_KIND_ACT) {
                whole.setHeader(header);
            }
            encoded.add(DisclosedPart.newBuilder().setKind(part.kind()).setPlaintext(whole.build().toByteString()).build());
        }
        return encoded;
    }

    /** Whether these parts are what was asked for, byte for byte: a server could have made another act of it, or more. */
    boolean isSaidBy(List<DisclosedPart> shown) {
        List<DisclosedPart> bare = new ArrayList<>();
        for (DisclosedPart part : shown) {
            bare.add(part.toBuilder().clearSalt().build());
        }
        return bare.equals(encoded());
    }
}
