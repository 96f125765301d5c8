import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The credentials that AWS would know: a file that the tests replace by renaming, so that a reader sees all of the
 * old one or all of the new one. A line is a credential: access key, secret key, session token or nothing, expiry in
 * milliseconds since 1970 or 0, and the principal's ARN, with a tab between them.
 */
final class CredentialTable {
    static final long NEVER = 0;

    record Credential(String accessKey, String secretKey, String token, long expires, String principal) {
    }

    private final Path file;

    CredentialTable(Path file) {
        this.file = file;
    }

    /** Reads the file anew. Returns null if it has no such key. */
    Credential find(String accessKey) throws IOException {
        for (String line : Files.readAllLines(file)) {
            String[] f = line.split("\t", -1);
            if (f[0].equals(accessKey)) {
                return new Credential(f[0], f[1], f[2], Long.parseLong(f[3]), f[4]);
            }
        }
        return null;
    }
}
