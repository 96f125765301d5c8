import com.amazonaws.services.schemaregistry.deserializers.GlueSchemaRegistryKafkaDeserializer;
import com.amazonaws.services.schemaregistry.deserializers.protobuf.ProtobufSchemaParser;
import com.amazonaws.services.schemaregistry.serializers.GlueSchemaRegistryKafkaSerializer;
import com.amazonaws.services.schemaregistry.serializers.json.JsonDataWithSchema;
import com.amazonaws.services.schemaregistry.utils.AWSSchemaRegistryConstants;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Message;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.zip.InflaterInputStream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericContainer;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;

/**
 * Writes and reads Kafka values with AWS's own serde for the Glue Schema Registry, and asks Avro's own library. Lines of base64 are
 * values; expected and read records are lines of JSON (see NeutralJson).
 *
 * <pre>
 * write   --endpoint URL --region R --registry NAME --format AVRO|JSON|PROTOBUF --compression NONE|ZLIB --schema-name N
 *         --count 1000 --out FILE [--seed 1] [--record-type Alarm]  writes FILE and FILE.expected.jsonl
 * read    --endpoint URL --region R --registry NAME --format AVRO|JSON|PROTOBUF --in FILE --out FILE.jsonl
 * compat  --in FILE --out FILE.jsonl   lines {"writer":"schema","reader":"schema"}
 * resolve --in FILE --out FILE.jsonl   lines {"writer":"schema","reader":"schema","data":"base64 of binary Avro"}
 * </pre>
 *
 * Commands with "then" between them run one after the other, and share the second that Java needs to start.
 */
public final class GlueRoundTrip {
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .setNodeFactory(JsonNodeFactory.withExactBigDecimals(true));
    private static final int HEADER = 18; // 3, 0 or 5, and the schema version id
    private static final byte ZLIB = 5;

    private final Map<String, String> options;

    private GlueRoundTrip(Map<String, String> options) {
        this.options = options;
    }

    public static void main(String[] args) {
        try {
            run(Arrays.asList(args));
        } catch (IOException | RuntimeException e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                System.err.println(cause);
                for (StackTraceElement at : cause.getStackTrace()) {
                    if (!at.getClassName().contains(".")) { // the classes here have no package, those of libraries do
                        System.err.println("\tat " + at);
                    }
                }
            }
            System.exit(1);
        }
    }

    private static void run(List<String> args) throws IOException {
        List<String> left = args;
        while (!left.isEmpty()) {
            int end = left.contains("then") ? left.indexOf("then") : left.size();
            Map<String, String> options = new HashMap<>();
            for (int i = 1; i + 1 < end; i += 2) {
                options.put(left.get(i), left.get(i + 1));
            }
            new GlueRoundTrip(options).run(left.get(0));
            left = left.subList(Math.min(end + 1, left.size()), left.size());
        }
    }

    private void run(String command) throws IOException {
        switch (command) {
            case "write":
                write();
                break;
            case "read":
                read();
                break;
            case "compat":
                ask(AvroOracle::compatible);
                break;
            case "resolve":
                ask(AvroOracle::resolve);
                break;
            default:
                throw new IllegalArgumentException("no command: " + command);
        }
    }

    private String option(String name) {
        String value = options.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing");
        }
        return value;
    }

    private Map<String, Object> config() {
        Map<String, Object> config = new HashMap<>();
        config.put(AWSSchemaRegistryConstants.AWS_ENDPOINT, option("--endpoint"));
        config.put(AWSSchemaRegistryConstants.AWS_REGION, option("--region"));
        config.put(AWSSchemaRegistryConstants.REGISTRY_NAME, option("--registry"));
        config.put(AWSSchemaRegistryConstants.AVRO_RECORD_TYPE, "GENERIC_RECORD");
        config.put(AWSSchemaRegistryConstants.PROTOBUF_MESSAGE_TYPE, "DYNAMIC_MESSAGE");
        // With float64 alone, the digits of a decimal would be lost.
        config.put(AWSSchemaRegistryConstants.JACKSON_DESERIALIZATION_FEATURES, List.of("USE_BIG_DECIMAL_FOR_FLOATS"));
        return config;
    }

    /** The keys don't matter, but the SDK wants some. */
    private static AwsCredentialsProvider keys() {
        return StaticCredentialsProvider.create(AwsBasicCredentials.create("millrace", "millrace"));
    }

    private void write() throws IOException {
        Map<String, Object> config = config();
        config.put(AWSSchemaRegistryConstants.DATA_FORMAT, option("--format"));
        config.put(AWSSchemaRegistryConstants.COMPRESSION_TYPE, option("--compression"));
        config.put(AWSSchemaRegistryConstants.SCHEMA_NAME, option("--schema-name"));
        config.put(AWSSchemaRegistryConstants.SCHEMA_AUTO_REGISTRATION_SETTING, "true");
        Samples samples = new Samples(Long.parseLong(options.getOrDefault("--seed", "1")));
        List<Object> records = records(samples, Integer.parseInt(option("--count")));
        List<String> values = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        try (GlueSchemaRegistryKafkaSerializer serializer = new GlueSchemaRegistryKafkaSerializer(keys(), config)) {
            for (Object record : records) {
                byte[] value = serializer.serialize("topic", record);
                values.add(Base64.getEncoder().encodeToString(value));
                expected.add(record instanceof JsonDataWithSchema ? payload(value, json(record)) : json(record));
            }
        }
        Files.write(Path.of(option("--out")), values);
        Files.write(Path.of(option("--out") + ".expected.jsonl"), expected);
    }

    private void read() throws IOException {
        List<String> records = new ArrayList<>();
        try (GlueSchemaRegistryKafkaDeserializer deserializer = new GlueSchemaRegistryKafkaDeserializer(keys(), config())) {
            for (String line : Files.readAllLines(Path.of(option("--in")))) {
                try {
                    records.add(json(deserializer.deserialize("topic", Base64.getDecoder().decode(line))));
                } catch (RuntimeException e) {
                    throw new IllegalStateException("line " + (records.size() + 1), e);
                }
            }
        }
        Files.write(Path.of(option("--out")), records);
    }

    private void ask(Function<JsonNode, Object> oracle) throws IOException {
        List<String> answers = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(option("--in")))) {
            answers.add(NeutralJson.write(oracle.apply(JSON.readTree(line))));
        }
        Files.write(Path.of(option("--out")), answers);
    }

    private List<Object> records(Samples samples, int count) throws IOException {
        Function<Integer, Object> make = maker(samples);
        List<Object> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            samples.next(i);
            records.add(make.apply(i));
        }
        return records;
    }

    private Function<Integer, Object> maker(Samples samples) throws IOException {
        switch (option("--format")) {
            case "AVRO":
                Schema schema = new Schema.Parser().parse(resource("vehicle.avsc"));
                return i -> new AvroRecords(samples).make(schema, 0);
            case "PROTOBUF":
                List<Descriptor> types = messages();
                return i -> {
                    samples.next(i / types.size()); // each type has the ends of the ranges
                    return new ProtobufRecords(samples).make(types.get(i % types.size()), 0);
                };
            case "JSON":
                String text = resource("vehicle.schema.json");
                return i -> JsonDataWithSchema.builder(text, NeutralJson.write(new JsonRecords(samples).vehicle())).build();
            default:
                throw new IllegalArgumentException("--format is AVRO, JSON or PROTOBUF");
        }
    }

    /** The messages that records are of, in turn: those of the file and those within them, or the one that is asked for. */
    private List<Descriptor> messages() throws IOException {
        Map<String, Descriptor> types = new TreeMap<>();
        try {
            collect(types, ProtobufSchemaParser.parse(resource("vehicle.proto"), option("--schema-name") + ".proto").getMessageTypes());
        } catch (DescriptorValidationException e) {
            throw new IOException(e);
        }
        String only = options.get("--record-type");
        if (only == null) {
            return List.copyOf(types.values());
        }
        Descriptor type = types.get("testbed.glue." + only);
        if (type == null) {
            throw new IllegalArgumentException("--record-type " + only + " is none of " + types.keySet());
        }
        return List.of(type);
    }

    private static void collect(Map<String, Descriptor> types, List<Descriptor> from) {
        for (Descriptor d : from) {
            if (!d.getOptions().getMapEntry()) {
                types.put(d.getFullName(), d);
                collect(types, d.getNestedTypes());
            }
        }
    }

    private static String json(Object record) {
        if (record instanceof GenericContainer container) {
            return NeutralJson.write(AvroPlain.of(container.getSchema(), record));
        }
        if (record instanceof Message message) {
            return NeutralJson.write(ProtobufPlain.of(message));
        }
        return ((JsonDataWithSchema) record).getPayload();
    }

    /** The JSON text of a framed value, which is another than what the serde was given where it escapes: emoji are. */
    private static String payload(byte[] value, String given) throws IOException {
        byte[] payload = Arrays.copyOfRange(value, HEADER, value.length);
        if (value[1] == ZLIB) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (InputStream in = new InflaterInputStream(new ByteArrayInputStream(payload))) {
                in.transferTo(out);
            }
            payload = out.toByteArray();
        }
        String text = new String(payload, StandardCharsets.UTF_8);
        if (!JSON.readTree(text).equals(JSON.readTree(given))) {
            throw new IllegalStateException("the serde has changed " + given + " to " + text);
        }
        return text;
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = GlueRoundTrip.class.getResourceAsStream(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
