import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Says who a client is, for AWS_MSK_IAM and for OAUTHBEARER. Options of sasl.jaas.config: table is the file of
 * {@link CredentialTable}, attempts the file to which every attempt adds a line, region the cluster's.
 */
public class IamCallbackHandler implements AuthenticateCallbackHandler {
    private static final Object APPENDING = new Object(); // handlers of several listeners share the file

    private String mechanism;
    private CredentialTable table;
    private Path attempts;
    private String region;

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        Map<String, ?> options = entries.get(0).getOptions();
        this.mechanism = mechanism;
        table = new CredentialTable(Path.of((String) options.get("table")));
        attempts = Path.of((String) options.get("attempts"));
        region = (String) options.get("region");
    }

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback c : callbacks) {
            if (c instanceof IamSaslServer.Login login) {
                login.credential = authenticate(() -> SignedRequest.ofPayload(login.payload)).credential;
            } else if (c instanceof OAuthBearerValidatorCallback bearer) {
                bearer.token(new Token(bearer.tokenValue(), authenticate(() -> SignedRequest.ofToken(bearer.tokenValue()))));
            } else {
                throw new UnsupportedCallbackException(c);
            }
        }
    }

    private interface Parse {
        SignedRequest request() throws SignedRequest.Refused;
    }

    /** A client that is known, until its signature's end: OAUTHBEARER's lifetime. */
    private record Known(CredentialTable.Credential credential, Instant end) {
    }

    /** Takes a request or throws. Only the text of this exception reaches the client, as little as MSK tells. */
    private Known authenticate(Parse parse) throws IOException {
        String key = "";
        String agent = "";
        try {
            SignedRequest request = parse.request();
            agent = request.userAgent;
            key = request.accessKey();
            Instant now = Instant.now();
            CredentialTable.Credential credential = table.find(key);
            if (credential == null) {
                throw new SignedRequest.Refused("unknown access key");
            }
            request.verify(credential, region, now);
            if (credential.expires() != CredentialTable.NEVER && now.toEpochMilli() >= credential.expires()) {
                throw new SignedRequest.Refused("the credentials are expired");
            }
            record(key, credential.principal(), agent, "");
            return new Known(credential, request.end());
        } catch (SignedRequest.Refused e) {
            record(key, "", agent, e.getMessage());
            throw new SaslAuthenticationException("[" + UUID.randomUUID() + "]: Access denied");
        }
    }

    /** Adds the line: mechanism, access key, principal, user agent, reason of the refusal. */
    private void record(String... fields) throws IOException {
        StringBuilder line = new StringBuilder(mechanism);
        for (String f : fields) {
            line.append('\t').append(f.replaceAll("[\t\r\n]", " "));
        }
        synchronized (APPENDING) {
            Files.writeString(attempts, line.append('\n'), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    @Override
    public void close() {
    }

    /** What Kafka's own OAUTHBEARER server wants to know. */
    private record Token(String value, Known known) implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public long lifetimeMs() {
            long end = known.end.toEpochMilli();
            long expires = known.credential.expires();
            return expires == CredentialTable.NEVER ? end : Math.min(end, expires);
        }

        @Override
        public String principalName() {
            return known.credential.principal();
        }

        @Override
        public Long startTimeMs() {
            return null;
        }
    }
}
