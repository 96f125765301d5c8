import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;

/** Makes Avro records by their schema. Logical types are the numbers and bytes that Avro writes: no conversion stands between. */
final class AvroRecords {
    private static final int DEPTH = 6; // of what is made: deeper unions are null

    private final Samples samples;

    AvroRecords(Samples samples) {
        this.samples = samples;
    }

    Object make(Schema s, int depth) {
        String logical = String.valueOf(s.getProp("logicalType"));
        switch (s.getType()) {
            case NULL:
                return null;
            case BOOLEAN:
                return samples.bool();
            case INT:
                return (int) number(logical, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LONG:
                return number(logical, Long.MIN_VALUE, Long.MAX_VALUE);
            case FLOAT:
                return samples.single();
            case DOUBLE:
                return samples.real();
            case STRING:
                return logical.equals("uuid") ? new UUID(samples.random.nextLong(), samples.random.nextLong()).toString() : samples.text();
            case BYTES:
                return ByteBuffer.wrap(logical.equals("decimal") ? decimal(s).toByteArray() : samples.bytes(samples.size() * 7));
            case FIXED:
                return new GenericData.Fixed(s, fixed(s, logical));
            case ENUM:
                List<String> symbols = s.getEnumSymbols();
                return new GenericData.EnumSymbol(s, symbols.get(samples.one(symbols.size())));
            case UNION:
                List<Schema> branches = s.getTypes();
                boolean leaf = depth >= DEPTH && branches.get(0).getType() == Schema.Type.NULL;
                return leaf ? null : make(branches.get(samples.one(branches.size())), depth + 1);
            default:
                return container(s, depth + 1);
        }
    }

    private Object container(Schema s, int depth) {
        switch (s.getType()) {
            case ARRAY:
                List<Object> elements = new ArrayList<>();
                for (int left = samples.size(); left > 0; left--) {
                    elements.add(make(s.getElementType(), depth));
                }
                return elements;
            case MAP:
                Map<String, Object> members = new TreeMap<>();
                for (int left = samples.size(); left > 0; left--) {
                    members.put("k" + left + samples.text(), make(s.getValueType(), depth));
                }
                return members;
            default:
                GenericData.Record record = new GenericData.Record(s);
                for (Schema.Field f : s.getFields()) {
                    record.put(f.pos(), make(f.schema(), depth));
                }
                return record;
        }
    }

    private long number(String logical, long least, long greatest) {
        switch (logical) {
            case "date":
                return samples.integer(Samples.FIRST_SECOND / Samples.DAY, Samples.LAST_SECOND / Samples.DAY);
            case "time-millis":
                return samples.integer(0, Samples.DAY * 1000L - 1);
            case "time-micros":
                return samples.integer(0, Samples.DAY * 1_000_000L - 1);
            case "timestamp-millis":
            case "local-timestamp-millis":
                return samples.integer(Samples.FIRST_SECOND * 1000, Samples.LAST_SECOND * 1000 + 999);
            case "timestamp-micros":
            case "local-timestamp-micros":
                return samples.integer(Samples.FIRST_SECOND * 1_000_000, Samples.LAST_SECOND * 1_000_000 + 999_999);
            case "timestamp-nanos": // half of them are whole microseconds
                long nanos = samples.integer(Long.MIN_VALUE, Long.MAX_VALUE);
                return samples.random.nextBoolean() ? nanos : nanos / 1000 * 1000;
            default:
                return samples.integer(least, greatest);
        }
    }

    private BigInteger decimal(Schema s) {
        return samples.digits(((LogicalTypes.Decimal) s.getLogicalType()).getPrecision());
    }

    private byte[] fixed(Schema s, String logical) {
        switch (logical) {
            case "decimal":
                byte[] digits = decimal(s).toByteArray();
                byte[] padded = new byte[s.getFixedSize()];
                Arrays.fill(padded, (byte) (digits[0] < 0 ? -1 : 0));
                System.arraycopy(digits, 0, padded, padded.length - digits.length, digits.length);
                return padded;
            case "duration": // months, days and milliseconds
                ByteBuffer parts = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
                for (int i = 0; i < 3; i++) {
                    parts.putInt((int) samples.integer(0, 0xFFFFFFFFL));
                }
                return parts.array();
            default:
                return samples.bytes(s.getFixedSize());
        }
    }
}
