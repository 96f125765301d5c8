import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.Message;
import java.util.List;

/** Makes Protobuf messages by their descriptors. */
final class ProtobufRecords {
    private static final int DEPTH = 4; // of what is made: no message is set below

    private final Samples samples;

    ProtobufRecords(Samples samples) {
        this.samples = samples;
    }

    Message make(Descriptor d, int depth) {
        DynamicMessage.Builder message = DynamicMessage.newBuilder(d);
        switch (d.getFullName()) {
            case "google.protobuf.Timestamp":
                return time(message, samples.integer(Samples.FIRST_SECOND, Samples.LAST_SECOND), nanos());
            case "google.protobuf.Duration": // both parts have the same sign
                long seconds = samples.integer(-315_576_000_000L, 315_576_000_000L);
                return time(message, seconds, seconds < 0 ? -nanos() : nanos());
            default:
        }
        for (FieldDescriptor f : d.getFields()) {
            if (f.isRepeated()) {
                repeat(message, f, depth);
            } else if (f.getRealContainingOneof() == null && !leftOut(f, depth)) {
                message.setField(f, value(f, depth));
            }
        }
        for (OneofDescriptor oneof : d.getRealOneofs()) {
            int chosen = samples.one(oneof.getFieldCount() + 1) - 1;
            if (chosen >= 0 && !(depth >= DEPTH && oneof.getField(chosen).getJavaType() == FieldDescriptor.JavaType.MESSAGE)) {
                message.setField(oneof.getField(chosen), value(oneof.getField(chosen), depth));
            }
        }
        return message.build();
    }

    private boolean leftOut(FieldDescriptor f, int depth) {
        if (!f.hasPresence()) {
            return false;
        }
        boolean message = f.getJavaType() == FieldDescriptor.JavaType.MESSAGE;
        return message && depth >= DEPTH || samples.random.nextInt(3) == 0;
    }

    private void repeat(DynamicMessage.Builder message, FieldDescriptor f, int depth) {
        if (depth >= DEPTH && f.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
            return;
        }
        int size = samples.size();
        for (int i = 0; i < size; i++) {
            message.addRepeatedField(f, f.isMapField() ? entry(f.getMessageType(), i, depth) : value(f, depth));
        }
    }

    /** An entry of a map whose key is another for each i, or the same again for a bool: the last one counts. */
    private Message entry(Descriptor d, int i, int depth) {
        FieldDescriptor key = d.findFieldByNumber(1);
        FieldDescriptor value = d.findFieldByNumber(2);
        Object name;
        switch (key.getJavaType()) {
            case BOOLEAN:
                name = i % 2 == 1;
                break;
            case INT:
                name = i - 1; // unsigned, -1 is the greatest
                break;
            case LONG:
                name = i * 5_000_000_000L - 5_000_000_000L;
                break;
            default:
                name = "k" + i + samples.text();
        }
        return DynamicMessage.newBuilder(d).setField(key, name).setField(value, value(value, depth)).build();
    }

    private Object value(FieldDescriptor f, int depth) {
        switch (f.getType()) {
            case UINT32:
            case FIXED32:
                return (int) samples.integer(0, 0xFFFFFFFFL);
            case UINT64:
            case FIXED64: // signed in Java: the order is another
                return samples.integer(Long.MIN_VALUE, Long.MAX_VALUE) ^ Long.MIN_VALUE;
            default:
        }
        switch (f.getJavaType()) {
            case INT:
                return (int) samples.integer(Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LONG:
                return samples.integer(Long.MIN_VALUE, Long.MAX_VALUE);
            case FLOAT:
                return samples.single();
            case DOUBLE:
                return samples.real();
            case BOOLEAN:
                return samples.bool();
            case STRING:
                return samples.text();
            case BYTE_STRING:
                return ByteString.copyFrom(samples.bytes(samples.size() * 7));
            case ENUM:
                List<EnumValueDescriptor> values = f.getEnumType().getValues();
                return values.get(samples.one(values.size()));
            default:
                return make(f.getMessageType(), depth + 1);
        }
    }

    /** Mostly whole microseconds: the others are texts in Millrace. */
    private int nanos() {
        int nanos = (int) samples.integer(0, 999_999_999);
        return samples.random.nextInt(4) == 0 ? nanos : nanos / 1000 * 1000;
    }

    private static Message time(DynamicMessage.Builder message, long seconds, int nanos) {
        Descriptor d = message.getDescriptorForType();
        return message.setField(d.findFieldByNumber(1), seconds).setField(d.findFieldByNumber(2), nanos).build();
    }
}
