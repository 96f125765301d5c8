package layout

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// Confluent turns the settings of Confluent's S3 sink connector ("Amazon S3 Sink Connector for Confluent Platform",
// configuration reference) into ours. An error says which setting has no counterpart, or is one that the connector refuses too.
func Confluent(settings map[string]string) (Settings, error) {
	c := confluent{p: properties{values: settings}}
	encoded, err := c.partitioner()
	if err != nil {
		return Settings{}, err
	}
	if err := c.path(encoded); err != nil {
		return Settings{}, err
	}
	if err := c.format(); err != nil {
		return Settings{}, err
	}
	c.rotate()
	c.sink()
	c.records()
	if err := c.p.err(); err != nil {
		return Settings{}, err
	}
	if _, _, err := c.s.Compile(); err != nil {
		return Settings{}, err
	}
	return c.s, nil
}

// confluent is a translation under way.
type confluent struct {
	p properties
	s Settings
}

// The packages of Confluent's partitioners; storage is that of all since 2018.
var partitioners = []string{"io.confluent.connect.storage.partitioner.", "io.confluent.connect.s3.partitioner.", "io.confluent.connect.hdfs.partitioner.", ""}

// partitioner is what stands between topic and name, as a template.
func (c *confluent) partitioner() (string, error) {
	class := c.p.get("partitioner.class", "DefaultPartitioner")
	name := shortClass(class)
	known := false
	for _, p := range partitioners {
		known = known || class == p+name
	}
	delim := c.delim()
	switch {
	case known && name == "DefaultPartitioner":
		return "partition={partition}", nil
	case known && name == "FieldPartitioner":
		return c.fields(delim)
	case known && name == "TimeBasedPartitioner":
		floor := c.p.number("partition.duration.ms")
		if floor <= 0 {
			return "", errors.New("partition.duration.ms must be above 0 with the TimeBasedPartitioner")
		}
		return c.times(c.p.get("path.format", ""), time.Duration(floor)*time.Millisecond)
	case known && name == "DailyPartitioner":
		return c.times("'year'=YYYY"+delim+"'month'=MM"+delim+"'day'=dd", 24*time.Hour)
	case known && name == "HourlyPartitioner":
		return c.times("'year'=YYYY"+delim+"'month'=MM"+delim+"'day'=dd"+delim+"'hour'=HH", time.Hour)
	}
	return "", fmt.Errorf("partitioner.class is %s, which isn't one of Confluent's Default, Field, TimeBased, Daily and HourlyPartitioner: write path yourself", class)
}

func (c *confluent) delim() string { return c.p.get("directory.delim", "/") }

// fields is a FieldPartitioner's path.
func (c *confluent) fields(delim string) (string, error) {
	var parts []string
	for name := range strings.SplitSeq(c.p.get("partition.field.name", ""), ",") {
		if name = strings.TrimSpace(name); name != "" {
			parts = append(parts, literal(name)+"="+c.s.valueField(strings.Split(name, ".")...))
		}
	}
	if len(parts) == 0 {
		return "", errors.New("partition.field.name is missing: the FieldPartitioner needs it")
	}
	c.s.Null, c.s.Missing = "null", "error"
	c.s.note("Of a field's text, letters, digits, - _ and . stay as they are; other bytes become %%XX, so that no value makes a folder. An empty text, for which " +
		"Confluent writes nothing after the =, is written as null.")
	return strings.Join(parts, literal(delim)), nil
}

// times is a TimeBasedPartitioner's path.
func (c *confluent) times(pattern string, floor time.Duration) (string, error) {
	pattern = strings.TrimSuffix(pattern, c.delim())
	if pattern == "" {
		return "", errors.New("path.format is missing: the TimeBasedPartitioner needs it")
	}
	for _, name := range []string{"locale", "timezone"} {
		if c.p.get(name, "") == "" {
			return "", fmt.Errorf("%s is missing: partitioners by time need it", name)
		}
	}
	zone, err := zoneID(c.p.get("timezone", ""))
	if err != nil {
		return "", fmt.Errorf("timezone: %w", err)
	}
	es, _, err := joda.elements(pattern)
	if err != nil {
		return "", fmt.Errorf("path.format: %w", err)
	}
	c.s.Time = Time{Zone: zone}
	if shownBy(es)%floor != 0 { // else what is shown changes with multiples of floor only
		c.s.Time.Floor = connector.Duration(floor)
	}
	if err := c.extractor(); err != nil {
		return "", err
	}
	return timeFields(es), nil
}

// shownBy is how long a pattern shows the same at least: days, of which months and years are made, or less.
func shownBy(es []element) time.Duration {
	shown := 24 * time.Hour
	for _, e := range es {
		if e.letters == "" {
			continue
		}
		switch e.letters[0] {
		case 'H':
			shown = min(shown, time.Hour)
		case 'm':
			shown = min(shown, time.Minute)
		case 's':
			shown = min(shown, time.Second)
		case 'S':
			shown = min(shown, time.Millisecond)
		}
	}
	return shown
}

// extractor says which time counts.
func (c *confluent) extractor() error {
	class := c.p.get("timestamp.extractor", "Wallclock")
	const full = "io.confluent.connect.storage.partitioner.TimeBasedPartitioner$"
	switch strings.TrimSuffix(strings.TrimPrefix(class, full), "TimestampExtractor") {
	case "Wallclock":
		c.s.Time.From = "wall"
		c.s.note("timestamp.extractor is Wallclock: records that are read again get another path than before. Nothing is lost or written twice, but time.from: timestamp, " +
			"or a field, puts them where they belong.")
	case "Record":
		c.s.Time.From = "timestamp"
	case "RecordField":
		c.s.timeFrom(strings.Split(c.p.get("timestamp.field", "timestamp"), ".")...)
		c.s.note("A text without a zone in %s is read in time.zone. Confluent reads it in the zone of its JVM.", c.s.Time.From)
	default:
		return fmt.Errorf("timestamp.extractor is %s, which isn't Wallclock, Record or RecordField: write time.from yourself", class)
	}
	return nil
}

// path puts the parts of a key together.
func (c *confluent) path(encoded string) error {
	delim, sep := literal(c.delim()), literal(c.p.get("file.delim", "+"))
	width := int64(10)
	if text := c.p.get("filename.offset.zero.pad.width", ""); text != "" {
		width = c.p.number("filename.offset.zero.pad.width")
	}
	if width < 0 || width > 40 {
		return fmt.Errorf("filename.offset.zero.pad.width is %d; a width is 0 to 40", width)
	}
	position := "{position}"
	if width > 0 {
		position = fmt.Sprintf("{position:%%0%dd}", width)
	}
	switch affix := c.p.get("s3.schema.partition.affix.type", "NONE"); affix {
	case "NONE":
	case "PREFIX", "SUFFIX":
		return fmt.Errorf("s3.schema.partition.affix.type is %s: a path can't hold the name of a record's schema", affix)
	default:
		return fmt.Errorf("s3.schema.partition.affix.type is %q; it is NONE, PREFIX or SUFFIX", affix)
	}
	top := ""
	if dir, ok := c.p.values["topics.dir"]; !ok {
		top = "topics" + delim
	} else if dir = strings.TrimSpace(dir); dir != "" {
		top = literal(dir) + delim
	}
	c.s.Path = top + "{topic}" + delim + encoded + delim + "{topic}" + sep + "{partition}" + sep + position
	return nil
}

// rotate finds when objects are closed.
func (c *confluent) rotate() {
	c.s.Rotate.Records = c.p.number("flush.size")
	if c.s.Rotate.Records > 0 {
		c.s.note("flush.size counts the records of all open files of a partition and closes them together; rotate.records counts those of one file.")
	}
	byRecord, byClock := c.p.millis("rotate.interval.ms"), c.p.millis("rotate.schedule.interval.ms")
	switch {
	case byClock > 0 && byRecord > 0:
		c.s.Rotate.Age = min(byClock, byRecord)
	default:
		c.s.Rotate.Age = max(byClock, byRecord)
	}
	switch {
	case byRecord > 0:
		c.s.note("rotate.interval.ms is measured by the times of records, so that a quiet partition's file waits for the next record; rotate.age is measured by the clock.")
	case byClock > 0:
		c.s.note("rotate.schedule.interval.ms is counted from midnight; rotate.age from a file's first record.")
	default:
		c.s.note("Neither rotate.interval.ms nor rotate.schedule.interval.ms is set: there, files wait for flush.size records, however long. Here rotate.age closes them after 5m.")
	}
}
