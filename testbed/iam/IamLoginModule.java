import java.security.Provider;
import java.security.Security;
import java.util.Map;
import javax.security.auth.Subject;
import javax.security.auth.callback.CallbackHandler;
import javax.security.auth.spi.LoginModule;

/**
 * What the broker's sasl.jaas.config names for AWS_MSK_IAM. The broker logs in to nothing: its options are for
 * {@link IamCallbackHandler}. Loading the class tells Java who serves the mechanism.
 */
public class IamLoginModule implements LoginModule {
    static {
        Security.addProvider(new IamProvider());
    }

    @Override
    public void initialize(Subject subject, CallbackHandler handler, Map<String, ?> shared, Map<String, ?> options) {
    }

    @Override
    public boolean login() {
        return true;
    }

    @Override
    public boolean commit() {
        return true;
    }

    @Override
    public boolean abort() {
        return false;
    }

    @Override
    public boolean logout() {
        return true;
    }

    private static final class IamProvider extends Provider {
        private static final long serialVersionUID = 1;

        IamProvider() {
            super("MillraceTestIam", "1", "AWS_MSK_IAM for the test bed's broker");
            put("SaslServerFactory." + IamSaslServer.MECHANISM, IamSaslServer.Factory.class.getName());
        }
    }
}
