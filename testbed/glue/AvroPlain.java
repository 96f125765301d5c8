import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.IndexedRecord;

/**
 * The plain values (see NeutralJson) of what Avro's generic reader gives. A union is the value alone. A decimal has all digits of its scale,
 * dates and times are texts by RFC 3339, local ones without a zone, a duration is a text by ISO 8601, bytes and fixed are base64, an enum
 * is its symbol.
 */
final class AvroPlain {
    private static final long MILLI = 1000;
    private static final long MICRO = 1_000_000;
    private static final long NANO = 1_000_000_000;

    private AvroPlain() {
    }

    static Object of(Schema s, Object datum) {
        String logical = String.valueOf(s.getProp("logicalType"));
        switch (s.getType()) {
            case UNION:
                return of(s.getTypes().get(GenericData.get().resolveUnion(s, datum)), datum);
            case INT:
            case LONG:
                return number(logical, ((Number) datum).longValue());
            case STRING:
                return logical.equals("uuid") ? uuid(datum.toString()) : datum.toString();
            case ENUM:
                return datum.toString();
            case BYTES:
                return bytes(s, logical, array((ByteBuffer) datum));
            case FIXED:
                return bytes(s, logical, ((GenericData.Fixed) datum).bytes());
            case ARRAY:
                List<Object> elements = new ArrayList<>();
                for (Object element : (Collection<?>) datum) {
                    elements.add(of(s.getElementType(), element));
                }
                return elements;
            case MAP:
                Map<String, Object> members = new TreeMap<>();
                for (Map.Entry<?, ?> member : ((Map<?, ?>) datum).entrySet()) {
                    members.put(member.getKey().toString(), of(s.getValueType(), member.getValue()));
                }
                return members;
            case RECORD:
                Map<String, Object> fields = new TreeMap<>();
                for (Schema.Field f : s.getFields()) {
                    fields.put(f.name(), of(f.schema(), ((IndexedRecord) datum).get(f.pos())));
                }
                return fields;
            default: // null, boolean, float, double
                return datum;
        }
    }

    private static Object number(String logical, long n) {
        switch (logical) {
            case "date":
                return NeutralJson.date(n);
            case "time-millis":
                return NeutralJson.time(n * MICRO);
            case "time-micros":
                return NeutralJson.time(n * MILLI);
            case "timestamp-millis":
                return NeutralJson.timestamp(Math.floorDiv(n, MILLI), (int) (Math.floorMod(n, MILLI) * MICRO));
            case "timestamp-micros":
                return NeutralJson.timestamp(Math.floorDiv(n, MICRO), (int) (Math.floorMod(n, MICRO) * MILLI));
            case "timestamp-nanos":
                return NeutralJson.timestamp(Math.floorDiv(n, NANO), (int) Math.floorMod(n, NANO));
            case "local-timestamp-millis":
                return NeutralJson.local(Math.floorDiv(n, MILLI), (int) (Math.floorMod(n, MILLI) * MICRO));
            case "local-timestamp-micros":
                return NeutralJson.local(Math.floorDiv(n, MICRO), (int) (Math.floorMod(n, MICRO) * MILLI));
            default:
                return n;
        }
    }

    private static Object bytes(Schema s, String logical, byte[] bytes) {
        if (s.getLogicalType() instanceof LogicalTypes.Decimal decimal) {
            return new BigDecimal(new BigInteger(bytes), decimal.getScale());
        }
        return logical.equals("duration") && bytes.length == 12 ? duration(bytes) : bytes;
    }

    private static byte[] array(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    /** P14M3DT86400.5S: none of the three is turned into another, and what is 0 isn't written. */
    private static String duration(byte[] bytes) {
        ByteBuffer parts = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long months = Integer.toUnsignedLong(parts.getInt());
        long days = Integer.toUnsignedLong(parts.getInt());
        long millis = Integer.toUnsignedLong(parts.getInt());
        String text = "P" + (months == 0 ? "" : months + "M") + (days == 0 ? "" : days + "D");
        if (millis != 0 || text.equals("P")) {
            text += "T" + millis / MILLI + NeutralJson.fraction(millis % MILLI * MICRO, false) + "S";
        }
        return text;
    }

    /** As RFC 9562 writes it; a text that isn't a UUID stays as it is. */
    private static String uuid(String text) {
        try {
            return text.length() == 36 ? UUID.fromString(text).toString() : text;
        } catch (IllegalArgumentException e) {
            return text;
        }
    }
}
