import com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBRequestHandler;
import com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBServerHandler;
import java.net.InetSocketAddress;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.handler.ContextHandler;

/**
 * DynamoDB Local on one address, which its own main doesn't offer: that one listens on all interfaces. The tables are in
 * memory and the same whatever the access key and Region. No telemetry: only the classes that aren't used here would send it.
 */
public final class LoopbackDynamoDB {
    private static final boolean IN_MEMORY = true;
    private static final String NO_FOLDER = null;
    private static final boolean ONE_DATABASE = true;
    private static final boolean SLOW_TABLES = false; // CREATING and DELETING for seconds
    private static final String ANY_ORIGIN = null;

    private LoopbackDynamoDB() {
    }

    /** Runs until it is killed. Arguments: address and port. */
    public static void main(String[] args) throws Exception {
        InetSocketAddress address = new InetSocketAddress(args[0], Integer.parseInt(args[1]));
        Server server = new Server(address);
        server.setHandler(new ContextHandler(new LocalDynamoDBServerHandler(
            new LocalDynamoDBRequestHandler(address.getPort(), IN_MEMORY, NO_FOLDER, ONE_DATABASE, SLOW_TABLES), ANY_ORIGIN), "/"));
        server.start();
        System.out.println("DynamoDB Local listens on " + address);
        server.join();
    }
}
