import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.DateTimeException;
import java.util.Base64;
import java.util.Collections;
import java.util.Map;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** What Avro's own library says of a writer's and a reader's schema, both texts. */
final class AvroOracle {
    private AvroOracle() {
    }

    /** {"compatible":true}, or {"compatible":false,"why":"..."}: whether the reader can read what the writer wrote. */
    static Object compatible(JsonNode pair) {
        SchemaCompatibility.SchemaPairCompatibility answer =
                SchemaCompatibility.checkReaderWriterCompatibility(schema(pair, "reader"), schema(pair, "writer"));
        boolean compatible = answer.getType() == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE;
        return compatible ? Map.of("compatible", true)
                : Map.of("compatible", false, "why", answer.getResult().getIncompatibilities().toString());
    }

    /** {"value":...} as the reader's schema has it, or {"error":"..."} where it can't be read. */
    static Object resolve(JsonNode item) {
        try {
            Schema reader = schema(item, "reader");
            BinaryDecoder data = DecoderFactory.get().binaryDecoder(Base64.getDecoder().decode(item.get("data").asText("")), null);
            Object datum = new GenericDatumReader<>(schema(item, "writer"), reader).read(null, data);
            if (!data.isEnd()) {
                return Map.of("error", "bytes behind the value");
            }
            return Collections.singletonMap("value", AvroPlain.of(reader, datum));
        } catch (IOException | AvroRuntimeException | IllegalArgumentException | IndexOutOfBoundsException | DateTimeException e) {
            return Map.of("error", e.toString());
        }
    }

    private static Schema schema(JsonNode item, String name) {
        return new Schema.Parser().parse(item.get(name).textValue());
    }
}
