import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes JSON documents that hold by vehicle.schema.json. */
final class JsonRecords {
    private static final String[] STATES = {"IDLE", "DRIVING", "CHARGING"};

    private final Samples samples;

    JsonRecords(Samples samples) {
        this.samples = samples;
    }

    Map<String, Object> vehicle() {
        Map<String, Object> vehicle = new LinkedHashMap<>();
        vehicle.put("id", samples.integer(Long.MIN_VALUE, Long.MAX_VALUE));
        vehicle.put("vin", "VIN-" + samples.text());
        vehicle.put("odometer", new BigDecimal(samples.digits(30), 10));
        if (!samples.empty()) {
            vehicle.put("moving", samples.bool());
            vehicle.put("note", samples.bool() ? samples.text() : null);
            vehicle.put("state", STATES[samples.one(STATES.length)]);
            vehicle.put("seenAt", NeutralJson.timestamp(samples.integer(Samples.FIRST_SECOND, Samples.LAST_SECOND), samples.random.nextInt(1000) * 1_000_000));
        }
        vehicle.put("pos", pos());
        List<Object> tags = new ArrayList<>();
        List<Object> track = new ArrayList<>();
        Map<String, Object> attrs = new LinkedHashMap<>();
        for (int left = samples.size(); left > 0; left--) {
            tags.add(samples.text());
            track.add(pos());
            attrs.put("z" + left + samples.text(), new BigInteger(90, samples.random));
        }
        vehicle.put("tags", tags);
        vehicle.put("track", track);
        vehicle.put("attrs", attrs);
        Object[] readings = {samples.text(), new BigDecimal(samples.digits(9), 3), pos()};
        vehicle.put("reading", readings[samples.one(readings.length)]);
        vehicle.put("trailer", trailer(samples.size()));
        return vehicle;
    }

    private Map<String, Object> pos() {
        Map<String, Object> pos = new LinkedHashMap<>();
        pos.put("lon", new BigDecimal(BigInteger.valueOf(samples.integer(-180_000_000, 180_000_000)), 6));
        pos.put("lat", new BigDecimal(BigInteger.valueOf(samples.integer(-90_000_000, 90_000_000)), 6));
        if (samples.bool()) {
            pos.put("alt", new BigDecimal(samples.digits(6), 2));
        }
        return pos;
    }

    private Map<String, Object> trailer(int more) {
        if (more == 0) {
            return null;
        }
        Map<String, Object> trailer = new LinkedHashMap<>();
        trailer.put("load", samples.integer(0, Integer.MAX_VALUE));
        trailer.put("next", trailer(more - 1));
        return trailer;
    }
}
