import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.UUID;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;
import javax.security.sasl.SaslServerFactory;

/** One authentication by AWS_MSK_IAM: the client sends a signed request as JSON, the server answers once. */
public class IamSaslServer implements SaslServer {
    static final String MECHANISM = "AWS_MSK_IAM";
    /** The property by which Kafka asks when the client has to authenticate again. */
    private static final String LIFETIME = "CREDENTIAL.LIFETIME.MS";

    private final CallbackHandler handler;
    private CredentialTable.Credential credential; // null until complete

    IamSaslServer(CallbackHandler handler) {
        this.handler = handler;
    }

    /** What the server asks {@link IamCallbackHandler}: whose is this payload? */
    static final class Login implements Callback {
        final byte[] payload;
        CredentialTable.Credential credential; // the answer

        Login(byte[] payload) {
            this.payload = payload;
        }
    }

    @Override
    public byte[] evaluateResponse(byte[] payload) throws SaslException {
        Login login = new Login(payload);
        try {
            handler.handle(new Callback[] {login});
        } catch (IOException | UnsupportedCallbackException e) {
            throw new SaslException("authenticate", e);
        }
        credential = login.credential;
        String answer = "{\"version\":\"2020_10_22\",\"request-id\":\"" + UUID.randomUUID() + "\"}";
        return answer.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String getMechanismName() {
        return MECHANISM;
    }

    @Override
    public boolean isComplete() {
        return credential != null;
    }

    @Override
    public String getAuthorizationID() {
        return credential.principal();
    }

    @Override
    public Object getNegotiatedProperty(String name) {
        if (name.equals(LIFETIME) && credential.expires() != CredentialTable.NEVER) {
            return credential.expires();
        }
        return null;
    }

    @Override
    public byte[] unwrap(byte[] incoming, int offset, int len) {
        throw new IllegalStateException("no security layer");
    }

    @Override
    public byte[] wrap(byte[] outgoing, int offset, int len) {
        throw new IllegalStateException("no security layer");
    }

    @Override
    public void dispose() {
    }

    /** Makes a server per connection. Java finds it by the provider of {@link IamLoginModule}. */
    public static final class Factory implements SaslServerFactory {
        @Override
        public SaslServer createSaslServer(String mechanism, String protocol, String name, Map<String, ?> properties, CallbackHandler handler) {
            return new IamSaslServer(handler);
        }

        @Override
        public String[] getMechanismNames(Map<String, ?> properties) {
            return new String[] {MECHANISM};
        }
    }
}
