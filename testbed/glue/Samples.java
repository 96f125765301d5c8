import java.math.BigInteger;
import java.util.Random;

/**
 * The scalars of made records: the record 0 has the least of each kind, the record 1 the greatest, the record 2 what is empty, and
 * the others random ones. The same seed makes the same records.
 */
final class Samples {
    /** RFC 3339's years, in seconds from 1970: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z. */
    static final long FIRST_SECOND = -62135596800L;
    static final long LAST_SECOND = 253402300799L;
    static final int DAY = 86400;

    private static final String[] TEXTS = {"", "a", "VIN-é中😀", "two\nlines\tand \"quotes\" \\ / \u0001\u001f", "\u2028\u007f<&>", " "};

    final Random random;
    private int record;

    Samples(long seed) {
        random = new Random(seed);
    }

    void next(int record) {
        this.record = record;
    }

    boolean empty() {
        return record == 2;
    }

    boolean bool() {
        return record == 1 || record != 0 && random.nextBoolean();
    }

    /** One of n; the record i has the i-th at first. */
    int one(int n) {
        return record < n ? record : random.nextInt(n);
    }

    /** How many elements an array or a map has. */
    int size() {
        return empty() ? 0 : random.nextInt(4);
    }

    /** A number of the range, which may be small: short encodings are as likely as long ones. */
    long integer(long least, long greatest) {
        switch (record) {
            case 0:
                return least;
            case 1:
                return greatest;
            case 2:
                return Math.max(least, Math.min(greatest, 0));
            default:
                BigInteger any = new BigInteger(random.nextInt(65), random);
                BigInteger range = BigInteger.valueOf(greatest).subtract(BigInteger.valueOf(least)).add(BigInteger.ONE);
                BigInteger from = BigInteger.valueOf(random.nextBoolean() ? least : Math.max(least, Math.min(greatest, 0)));
                return from.subtract(BigInteger.valueOf(least)).add(any).mod(range).add(BigInteger.valueOf(least)).longValueExact();
        }
    }

    float single() {
        switch (record) {
            case 0:
                return -Float.MAX_VALUE;
            case 1:
                return Float.MIN_VALUE;
            case 2:
                return -0f;
            default:
                float any = random.nextBoolean() ? random.nextInt(100_000) / 100f : Float.intBitsToFloat(random.nextInt());
                return Float.isFinite(any) ? any : 0; // JSON has neither NaN nor infinities
        }
    }

    double real() {
        switch (record) {
            case 0:
                return -Double.MAX_VALUE;
            case 1:
                return Double.MIN_VALUE;
            case 2:
                return -0.0;
            default:
                double any = random.nextBoolean() ? random.nextInt(1_000_000) / 1e4 : Double.longBitsToDouble(random.nextLong());
                return Double.isFinite(any) ? any : 0;
        }
    }

    /** Texts of any kind, at times a long one, which compresses well. */
    String text() {
        if (empty()) {
            return "";
        }
        if (random.nextInt(200) == 0) {
            return "millrace ".repeat(500);
        }
        return TEXTS[random.nextInt(TEXTS.length)] + (random.nextBoolean() ? "" : random.nextInt(1000));
    }

    byte[] bytes(int size) {
        byte[] bytes = new byte[size];
        random.nextBytes(bytes);
        return bytes;
    }

    /** The unscaled number of a decimal with up to so many digits. */
    BigInteger digits(int precision) {
        BigInteger limit = BigInteger.TEN.pow(precision);
        switch (record) {
            case 0:
                return BigInteger.ONE.subtract(limit);
            case 1:
                return limit.subtract(BigInteger.ONE);
            case 2:
                return BigInteger.ZERO;
            default:
                BigInteger any = new BigInteger(random.nextInt(limit.bitLength()), random);
                return random.nextBoolean() ? any : any.negate();
        }
    }
}
