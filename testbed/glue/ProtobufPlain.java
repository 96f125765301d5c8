import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The plain values (see NeutralJson) of a Protobuf message, with the names of the .proto file. A field with presence that isn't set is
 * null, any other has its default value; of a oneof only the member that is set is there. All integers are numbers, an enum is its name (its number where it has none), a
 * Timestamp a text by RFC 3339, a Duration one by ISO 8601 in seconds, a map an object with its keys as texts.
 */
final class ProtobufPlain {
    private ProtobufPlain() {
    }

    static Object of(Message message) {
        switch (message.getDescriptorForType().getFullName()) {
            case "google.protobuf.Timestamp":
                return NeutralJson.timestamp((Long) part(message, 1), (Integer) part(message, 2));
            case "google.protobuf.Duration":
                return duration((Long) part(message, 1), (Integer) part(message, 2));
            default:
        }
        Map<String, Object> fields = new TreeMap<>();
        for (FieldDescriptor f : message.getDescriptorForType().getFields()) {
            if (f.getRealContainingOneof() != null && !message.hasField(f)) {
                continue;
            }
            fields.put(f.getName(), field(message, f));
        }
        return fields;
    }

    private static Object part(Message message, int number) {
        return message.getField(message.getDescriptorForType().findFieldByNumber(number));
    }

    private static Object field(Message message, FieldDescriptor f) {
        if (f.isMapField()) {
            Map<String, Object> members = new TreeMap<>();
            for (Object entry : (List<?>) message.getField(f)) {
                FieldDescriptor key = f.getMessageType().findFieldByNumber(1);
                FieldDescriptor value = f.getMessageType().findFieldByNumber(2);
                members.put(value(key, ((Message) entry).getField(key)).toString(), value(value, ((Message) entry).getField(value)));
            }
            return members;
        }
        if (f.isRepeated()) {
            List<Object> elements = new ArrayList<>();
            for (Object element : (List<?>) message.getField(f)) {
                elements.add(value(f, element));
            }
            return elements;
        }
        return f.hasPresence() && !message.hasField(f) ? null : value(f, message.getField(f));
    }

    private static Object value(FieldDescriptor f, Object value) {
        switch (f.getType()) {
            case UINT32:
            case FIXED32:
                return Integer.toUnsignedLong((Integer) value);
            case UINT64:
            case FIXED64:
                return new BigInteger(Long.toUnsignedString((Long) value));
            case BYTES:
                return ((ByteString) value).toByteArray();
            case ENUM:
                EnumValueDescriptor symbol = (EnumValueDescriptor) value;
                return symbol.getIndex() < 0 ? (Object) symbol.getNumber() : symbol.getName();
            case MESSAGE:
                return of((Message) value);
            default:
                return value;
        }
    }

    /** -PT1.5S. */
    private static String duration(long seconds, int nanos) {
        boolean negative = seconds < 0 || nanos < 0;
        return (negative ? "-" : "") + "PT" + Math.abs(seconds) + NeutralJson.fraction(Math.abs(nanos), false) + "S";
    }
}
