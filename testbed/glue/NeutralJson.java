import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * Writes a tree of plain values as one line of JSON, in the form that Millrace's AppendJSON has, so that texts can be compared.
 *
 * A tree is made of null, Boolean, Integer, Long, BigInteger, BigDecimal (every digit of its scale), Float and Double (the
 * shortest digits that are this number), String, byte[] (base64), List, and Map with names as keys. Members are written in the order
 * of their Map: the reader of the lines sorts them.
 */
final class NeutralJson {
    private static final BigDecimal SMALL = new BigDecimal("1e-6");
    private static final BigDecimal LARGE = new BigDecimal("1e21");

    private NeutralJson() {
    }

    static String write(Object plain) {
        StringBuilder out = new StringBuilder();
        append(out, plain);
        return out.toString();
    }

    private static void append(StringBuilder out, Object plain) {
        if (plain == null || plain instanceof Boolean || plain instanceof Integer || plain instanceof Long || plain instanceof BigInteger) {
            out.append(plain);
        } else if (plain instanceof BigDecimal decimal) {
            out.append(decimal.toPlainString());
        } else if (plain instanceof Float f) {
            out.append(number(f, new BigDecimal(f), text -> Float.parseFloat(text) == f, f < 0 || 1 / f < 0));
        } else if (plain instanceof Double d) {
            out.append(number(d, new BigDecimal(d), text -> Double.parseDouble(text) == d, d < 0 || 1 / d < 0));
        } else if (plain instanceof byte[] bytes) {
            out.append('"').append(Base64.getEncoder().encodeToString(bytes)).append('"');
        } else if (plain instanceof List<?> list) {
            appendList(out, list);
        } else if (plain instanceof Map<?, ?> map) {
            appendMap(out, map);
        } else if (plain instanceof String text) {
            quote(out, text);
        } else {
            throw new IllegalArgumentException("no plain value: " + plain.getClass());
        }
    }

    private static void appendList(StringBuilder out, List<?> list) {
        String comma = "[";
        for (Object element : list) {
            append(out.append(comma), element);
            comma = ",";
        }
        out.append(list.isEmpty() ? "[]" : "]");
    }

    private static void appendMap(StringBuilder out, Map<?, ?> map) {
        String comma = "{";
        for (Map.Entry<?, ?> member : map.entrySet()) {
            quote(out.append(comma), (String) member.getKey());
            append(out.append(':'), member.getValue());
            comma = ",";
        }
        out.append(map.isEmpty() ? "{}" : "}");
    }

    private static void quote(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }

    private interface Check {
        boolean isSame(String digits);
    }

    /**
     * The shortest digits. Double.toString has more than that before Java 19. Plain from 1e-6 to 1e21, outside of it d.ddde-07.
     */
    private static String number(double value, BigDecimal exact, Check check, boolean negative) {
        if (value == 0) {
            return negative ? "-0" : "0";
        }
        BigDecimal shortest = exact;
        for (int digits = 1; digits <= 17; digits++) {
            BigDecimal rounded = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
            if (check.isSame(rounded.toString())) {
                shortest = rounded;
                break;
            }
        }
        shortest = shortest.stripTrailingZeros();
        BigDecimal size = exact.abs();
        if (size.compareTo(SMALL) >= 0 && size.compareTo(LARGE) < 0) {
            return shortest.toPlainString();
        }
        String digits = shortest.unscaledValue().abs().toString();
        int exponent = digits.length() - 1 - shortest.scale();
        return (negative ? "-" : "") + digits.charAt(0) + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + String.format("e%s%02d", exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    static String date(long days) {
        return LocalDate.ofEpochDay(days).toString();
    }

    /** A time of day from its nanoseconds: 13:33:20.5, without trailing zeros. */
    static String time(long nanos) {
        return seconds(LocalTime.ofNanoOfDay(nanos).withNano(0).toSecondOfDay()) + fraction(nanos % 1_000_000_000, false);
    }

    private static String seconds(int ofDay) {
        return String.format("%02d:%02d:%02d", ofDay / 3600, ofDay / 60 % 60, ofDay % 60);
    }

    /** A timestamp by RFC 3339. What is finer than a microsecond has nine digits, all else no trailing zeros. */
    static String timestamp(long seconds, int nanos) {
        return local(seconds, nanos) + "Z";
    }

    /** The same without a zone. */
    static String local(long seconds, int nanos) {
        LocalDateTime at = LocalDateTime.ofInstant(Instant.ofEpochSecond(seconds), ZoneOffset.UTC);
        if (at.getYear() < 0 || at.getYear() > 9999) {
            throw new DateTimeException("RFC 3339 has no year " + at.getYear());
        }
        return String.format("%04d-%02d-%02dT", at.getYear(), at.getMonthValue(), at.getDayOfMonth())
                + seconds(at.toLocalTime().toSecondOfDay()) + fraction(nanos, nanos % 1000 != 0);
    }

    /** ".5" for half a second; "" for none. */
    static String fraction(long nanos, boolean allDigits) {
        String digits = String.format(".%09d", nanos);
        return allDigits ? digits : digits.replaceAll("\\.?0+$", "");
    }
}
