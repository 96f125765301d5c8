import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The presigned request "GET /?Action=kafka-cluster:Connect" that both mechanisms carry, with Signature Version 4:
 * docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
final class SignedRequest {
    private static final String ALGORITHM = "AWS4-HMAC-SHA256";
    private static final String SERVICE = "kafka-cluster";
    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");
    private static final Duration SKEW = Duration.ofMinutes(5); // how far ahead a client's clock may be
    private static final int MAX_EXPIRES = 900; // seconds, what Amazon's own clients ask for

    /** The parameters as they are signed, sorted as they are signed. The signature is beside them. */
    private static final Map<String, String> SIGNED = names("Action", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
            "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-SignedHeaders");
    private static final String SIGNATURE = "x-amz-signature";

    /** Why a request isn't taken: for the record of attempts, the client isn't told. */
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String reason) {
            super(reason);
        }
    }

    private final String host;
    private final Map<String, String> parameters; // by their names in small letters
    final String userAgent;

    private SignedRequest(String host, Map<String, String> parameters, String userAgent) {
        this.host = host;
        this.parameters = parameters;
        this.userAgent = userAgent == null ? "" : userAgent;
    }

    /** The JSON of AWS_MSK_IAM. */
    static SignedRequest ofPayload(byte[] payload) throws Refused {
        Map<String, String> fields;
        try {
            fields = new ObjectMapper().readValue(payload, new TypeReference<>() { });
        } catch (IOException e) {
            throw new Refused("the payload isn't a flat JSON object");
        }
        if (fields == null || !"2020_10_22".equals(fields.remove("version"))) {
            throw new Refused("another version of the payload");
        }
        String host = fields.remove("host");
        if (host == null || host.isEmpty() || host.contains(":")) {
            throw new Refused("no host, or one with a port");
        }
        return new SignedRequest(host, fields, fields.remove("user-agent"));
    }

    /** The token of OAUTHBEARER: the request's URL in Base64. User-Agent is added after signing. */
    static SignedRequest ofToken(String token) throws Refused {
        URI url;
        try {
            url = URI.create(new String(Base64.getUrlDecoder().decode(token), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
            throw new Refused("the token isn't a URL in base64url");
        }
        if (!"https".equals(url.getScheme()) || !"/".equals(url.getPath()) || url.getHost() == null || url.getRawQuery() == null) {
            throw new Refused("the token's URL isn't https://host/?parameters");
        }
        Map<String, String> parameters = new HashMap<>();
        for (String pair : url.getRawQuery().split("&")) {
            String[] kv = pair.split("=", 2);
            parameters.put(lower(kv[0]), kv.length == 1 ? "" : URLDecoder.decode(kv[1], StandardCharsets.UTF_8));
        }
        SignedRequest r = new SignedRequest(url.getHost(), parameters, parameters.remove("user-agent"));
        if (!r.host.equals("kafka." + r.scope()[2] + ".amazonaws.com")) {
            throw new Refused("the token is for host " + r.host);
        }
        return r;
    }

    String accessKey() throws Refused {
        return scope()[0];
    }

    /** When the signature ends to be taken. */
    Instant end() throws Refused {
        int seconds;
        try {
            seconds = Integer.parseInt(get("X-Amz-Expires"));
        } catch (NumberFormatException e) {
            throw new Refused("X-Amz-Expires isn't a number");
        }
        if (seconds < 1 || seconds > MAX_EXPIRES) {
            throw new Refused("X-Amz-Expires is " + seconds);
        }
        return date().plusSeconds(seconds);
    }

    /** Checks all but the key's being in force: what is asked for, for which region, when, and by whom it is signed. */
    void verify(CredentialTable.Credential credential, String region, Instant now) throws Refused {
        for (String name : parameters.keySet()) {
            if (!SIGNED.containsKey(name) && !name.equals(SIGNATURE)) {
                throw new Refused("unexpected parameter " + name);
            }
        }
        expect("Action", SERVICE + ":Connect");
        expect("X-Amz-Algorithm", ALGORITHM);
        expect("X-Amz-SignedHeaders", "host");
        if (date().isAfter(now.plus(SKEW))) {
            throw new Refused("signed in the future");
        }
        if (now.isAfter(end())) {
            throw new Refused("the signature is expired");
        }
        String[] scope = scope();
        if (!scope[2].equals(region)) {
            throw new Refused("signed for region " + scope[2]);
        }
        if (!scope[1].equals(get("X-Amz-Date").substring(0, 8)) || !scope[3].equals(SERVICE) || !scope[4].equals("aws4_request")) {
            throw new Refused("wrong scope in X-Amz-Credential");
        }
        String token = parameters.getOrDefault("x-amz-security-token", "");
        if (!token.equals(credential.token())) {
            throw new Refused(token.isEmpty() ? "the session token is missing" : "wrong session token");
        }
        byte[] want = signature(credential.secretKey(), scope).getBytes(StandardCharsets.UTF_8);
        if (!MessageDigest.isEqual(want, parameters.getOrDefault(SIGNATURE, "").getBytes(StandardCharsets.UTF_8))) {
            throw new Refused("wrong signature");
        }
    }

    private String signature(String secretKey, String[] scope) throws Refused {
        StringJoiner query = new StringJoiner("&");
        for (Map.Entry<String, String> name : SIGNED.entrySet()) {
            String value = parameters.get(name.getKey());
            if (value != null) {
                query.add(name.getValue() + "=" + encode(value));
            }
        }
        try {
            String request = "GET\n/\n" + query + "\nhost:" + host + "\n\nhost\n" + sha256("");
            String toSign = String.join("\n", ALGORITHM, get("X-Amz-Date"),
                    String.join("/", scope[1], scope[2], scope[3], scope[4]), sha256(request));
            byte[] key = ("AWS4" + secretKey).getBytes(StandardCharsets.UTF_8);
            for (int i = 1; i < scope.length; i++) {
                key = hmac(key, scope[i]);
            }
            return HexFormat.of().formatHex(hmac(key, toSign));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every Java has both algorithms
        }
    }

    /** Access key, day, region, service, "aws4_request". */
    private String[] scope() throws Refused {
        String[] scope = get("X-Amz-Credential").split("/", -1);
        if (scope.length != 5) {
            throw new Refused("X-Amz-Credential doesn't have five parts");
        }
        return scope;
    }

    private Instant date() throws Refused {
        try {
            return LocalDateTime.parse(get("X-Amz-Date"), DATE).toInstant(ZoneOffset.UTC);
        } catch (DateTimeParseException e) {
            throw new Refused("X-Amz-Date isn't a date");
        }
    }

    private String get(String name) throws Refused {
        String value = parameters.get(lower(name));
        if (value == null) {
            throw new Refused(name + " is missing");
        }
        return value;
    }

    private void expect(String name, String want) throws Refused {
        if (!get(name).equals(want)) {
            throw new Refused(name + " is " + get(name));
        }
    }

    private static Map<String, String> names(String... names) {
        Map<String, String> m = new TreeMap<>();
        for (String n : names) {
            m.put(lower(n), n);
        }
        return m;
    }

    private static String lower(String name) {
        return name.toLowerCase(Locale.ROOT);
    }

    /** RFC 3986: what URLEncoder does otherwise are the space, the star and the tilde. */
    private static String encode(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private static String sha256(String text) throws GeneralSecurityException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }
}
